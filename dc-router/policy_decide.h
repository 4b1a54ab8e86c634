/* What the two halves of the judge share: memory (policy_judge.c) and decision (policy_decide.c).
 */
#ifndef DC_ROUTER_POLICY_DECIDE_H
#define DC_ROUTER_POLICY_DECIDE_H

#include "dc-router/policy_judge.h"

/* The clock says `now_ms`: the judge's own time moves on by what that can be worth. */
void judge_pass_time(struct router_judge *judge, int64_t now_ms);

/* Has it been so for `duration_ms`? Not when `since_ms` is -1. */
bool judge_has_lasted(const struct router_judge *judge, int64_t since_ms, int64_t duration_ms);

/* Does the next verdict say anything but the present one, reasons aside? Of the same sites. */
bool judge_is_change(const struct router_verdict *now, const struct router_verdict *next);

/* Does it move members? Of the same sites. */
bool judge_is_move(const struct router_verdict *now, const struct router_verdict *next);

#endif

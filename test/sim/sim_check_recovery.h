/* What a forced recovery may do to the history, checked while it is carried out.
 *
 * The model's history is what anybody has applied first. A recovery keeps its beginning, and what
 * the survivor has behind that; the rest is lost, and the model forgets it, but not which offsets
 * were given in it. */
#ifndef SIM_CHECK_RECOVERY_H
#define SIM_CHECK_RECOVERY_H

#include "membership/recovery_loss.h"
#include "sim/sim_check.h"
#include "start/replay.h"

/* The plan for a group of the survivor, as it is about to be ordered. False: its log names entries
 * that others have replaced, which nobody there can know (start/recovery.h: a leader lost them in a
 * power cut, or the survivor was started anew). Had the survivor proposed them since its start, it
 * is a violation. */
bool sim_check_recovery_plan(struct sim_check *c, struct sim_group *g,
                             const struct recover_loss *loss);

/* Looks on while the survivor's order is carried out. */
struct replay_watch sim_check_recovery_watch(struct sim_node *n);

/* A replica serves or applies: is it of the generation that its group has? */
void sim_check_generation(struct sim_check *c, const struct sim_group *g, const char *does);

#endif

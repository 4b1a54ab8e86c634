#include "site_word.h"

#include <string.h>

void site_word_failed(struct site_word *word, unsigned site, enum router_stage stage,
                      uint64_t now_ms)
{
    word->sites[site].stage = stage;
    word->sites[site].failed_at_ms = now_ms;
}

void site_word_well(struct site_word *word, unsigned site)
{
    word->sites[site].stage = ROUTER_STAGE_NONE;
}

/* False: there is nothing to say of it. */
static bool is_due(const struct site_word *word, const struct site_choice *c, unsigned site,
                   uint64_t now_ms)
{
    bool fails = word->sites[site].stage != ROUTER_STAGE_NONE;
    bool is_fresh = now_ms - word->sites[site].failed_at_ms <= SITE_WORD_FRESH_MS;
    return router_verdict_find(&c->verdict, c->sites[site].name) != ROUTER_NO_SITE &&
           (fails ? is_fresh : word->sites[site].is_told);
}

bool site_word_due(struct site_word *word, const struct site_choice *c, uint64_t now_ms,
                   char text[ROUTER_REPORT_SIZE_MAX + 1])
{
    struct router_told told[ROUTER_REPORTS_MAX];
    unsigned count = 0;
    word->telling = 0;
    if (now_ms < word->again_at_ms || !c->has_verdict ||
        router_verdict_find(&c->verdict, c->own) == ROUTER_NO_SITE)
        return false;
    for (unsigned i = 0; i < c->count; i++) {
        if (!is_due(word, c, i, now_ms))
            continue;
        word->telling |= UINT32_C(1) << i;
        struct router_told *t = &told[count++];
        *t = (struct router_told){.stage = word->sites[i].stage};
        if (t->stage != ROUTER_STAGE_NONE)
            t->age_ms = now_ms - word->sites[i].failed_at_ms;
        bytes_copy_text(t->from, sizeof t->from, c->own);
        bytes_copy_text(t->to, sizeof t->to, c->sites[i].name);
    }
    return count > 0 && router_report_write(told, count, text, ROUTER_REPORT_SIZE_MAX + 1) > 0;
}

void site_word_told(struct site_word *word, bool is_taken, uint64_t now_ms)
{
    for (uint32_t rest = word->telling; rest != 0; rest &= rest - 1) {
        unsigned site = (unsigned)__builtin_ctz(rest);
        word->sites[site].is_told = word->sites[site].stage != ROUTER_STAGE_NONE;
    }
    word->again_at_ms = now_ms + (is_taken ? SITE_WORD_EVERY_MS : SITE_WORD_REFUSED_MS);
}

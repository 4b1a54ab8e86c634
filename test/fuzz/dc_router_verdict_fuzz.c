/* Any bytes as a verdict: refused, or read, and then written again as they were and ordered by. And
 * any bytes as what a judge is told: whatever it is, its verdict is sound and the next one follows.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "dc-router/policy_judge.h"

#define INPUT_SIZE_MAX 1500 /* a story of 250 steps shows what there is to see */
#define STEP_SIZE      6 /* u8 what, u8 from, u8 to, u8 stage, i16 what the clock moved by, in 10 ms */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void order_by(const struct router_verdict *v)
{
    struct router_order order;
    for (unsigned own = 0; own < v->site_count; own++) {
        assert(router_order(v, bytes_of_text("orders"), ROUTER_NO_SITE, own, &order) == 0);
        assert(order.site_count == v->site_count && order.usable_count > 0);
        assert(v->sites[order.sites[0]].health != ROUTER_LEFT);
    }
}

static void take_as_verdict(struct bytes bytes)
{
    struct router_verdict v;
    uint8_t again[ROUTER_VERDICT_SIZE_MAX];
    if (router_verdict_decode(bytes, &v) != 0)
        return;
    assert(router_verdict_encode(&v, again, sizeof again) == (int)bytes.size);
    assert(memcmp(again, bytes.data, bytes.size) == 0);
    order_by(&v);
}

static void begin(struct router_judge *judge, unsigned site_count)
{
    struct router_judge_options options = router_judge_options_default();
    struct router_site sites[ROUTER_SITES_MAX];
    struct router_verdict v;
    for (unsigned i = 0; i < site_count; i++)
        sites[i] = (struct router_site){.name = {(char)('a' + i), '\0'}, .weight = 1};
    assert(router_verdict_init(&v, sites, site_count, NULL) == 0);
    assert(router_judge_init(judge, &options, &v, 0) == 0);
}

/* Values that make no sense are refused; that is all that may happen. */
static void tell(struct router_judge *judge, const uint8_t *step, int64_t now_ms)
{
    struct router_report report = {.from = step[1],
                                   .to = step[2],
                                   .stage = (enum router_stage)(step[3] & 7),
                                   .age_ms = (int64_t)(step[3] >> 3) * 50};
    if (step[0] < 200)
        (void)router_judge_report(judge, &report, now_ms);
    else if (step[0] < 230)
        (void)router_judge_drain(judge, step[1], step[2] % 2 == 0, now_ms);
}

static void take_as_story(struct bytes bytes)
{
    static struct router_judge judge;
    struct router_verdict next;
    int64_t now_ms = 0;
    begin(&judge, 1 + bytes.data[0] % ROUTER_SITES_MAX);
    for (size_t at = 1; at + STEP_SIZE <= bytes.size; at += STEP_SIZE) {
        now_ms += (int64_t)(int16_t)bytes_get_le16(bytes.data + at + 4) * 10;
        tell(&judge, bytes.data + at, now_ms);
        int changed = router_judge_decide(&judge, now_ms, &next);
        assert(router_verdict_check(&next) == 0);
        assert(next.epoch == judge.verdict.epoch + (uint64_t)changed);
        assert(router_judge_adopt(&judge, &next, now_ms) == 0);
        order_by(&judge.verdict);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > INPUT_SIZE_MAX)
        return 0;
    struct bytes rest = bytes_of(data + 1, size - 1);
    if (data[0] % 2 == 0)
        take_as_verdict(rest);
    else
        take_as_story(rest);
    return 0;
}

/* trilog site …: where is what, how the sites stand, and which of them is not to be used. */
#include <string.h>

#include "change.h"
#include "progress.h"
#include "table.h"

/* ---- list ---- */

static void put_standing(struct table *t, const json_t *site)
{
    char text[80];
    const char *health = field_text(site, "health"), *drain = field_text(site, "drain");
    bool is_drained = drain[0] != '\0' && strcmp(drain, "in") != 0;
    snprintf(text, sizeof text, "%s%s%s", health[0] != '\0' ? health : "-", is_drained ? ", " : "",
             is_drained ? drain : "");
    table_text(t, text);
    table_text(t, field_text(site, "words"));
}

static void put_site(struct table *t, const json_t *site)
{
    table_text(t, field_text(site, "site"));
    field_put_ids(t, site, "node_ids");
    table_number(t, field_number(site, "alive"));
    table_number(t, field_number(site, "groups_led"));
    table_number(t, field_number(site, "groups_to_lead"));
    table_number(t, field_number(site, "replicas_voting"));
    table_number(t, field_number(site, "replicas_level"));
    field_put_number(t, site, "weight", "-");
    put_standing(t, site);
}

int site_list(struct session *s)
{
    return session_list(s, "/v1/sites", "sites",
                        "SITE|NODES|>ALIVE|>LEADS|>TO LEAD|>REPLICAS|>LEVEL|>WEIGHT|STANDS|REASON",
                        put_site);
}

/* ---- drain ---- */

static void print_plan(const json_t *plan, FILE *into)
{
    long long count = (long long)field_number(plan, "groups");
    if (field_flag(plan, "drained"))
        fprintf(into,
                "site %s is to be used by nobody who has another one, and the leaders of %lld raft "
                "groups move away\n",
                field_text(plan, "site"), count);
    else
        fprintf(into, "site %s is used again when it was quiet; then leaders go home\n",
                field_text(plan, "site"));
}

static const json_t *find_site(const json_t *json, const char *name)
{
    size_t position;
    json_t *site;
    json_array_foreach(json_object_get(json, "sites"), position, site)
    {
        if (strcmp(field_text(site, "site"), name) == 0)
            return site;
    }
    return NULL;
}

static bool look(struct session *s, void *data, char text[PROGRESS_TEXT_SIZE])
{
    struct http_answer answer;
    http_ask_any(&s->targets, "/v1/sites", NULL, &answer);
    const json_t *site = answer.outcome == HTTP_ANSWERED ? find_site(answer.json, data) : NULL;
    int64_t left = site == NULL ? -1 : field_number(site, "groups_led");
    if (left > 0)
        snprintf(text, PROGRESS_TEXT_SIZE, "%lld raft groups are still led there", (long long)left);
    else if (left == 0)
        snprintf(text, PROGRESS_TEXT_SIZE, "no raft group is led there");
    http_answer_close(&answer);
    return left == 0;
}

static int wait_for(struct session *s, void *data)
{
    return progress_wait(s, look, data, "trilog site list");
}

static int change(struct session *s, bool is_drained)
{
    const char *site = s->arguments.operands[0];
    json_t *body = json_pack("{s:b}", "drained", is_drained ? 1 : 0);
    if (!session_put_text(s, body, "site", site)) {
        json_decref(body);
        return EXIT_USAGE;
    }
    struct change change = {.path = "/v1/sites/drain",
                            .body = body,
                            .what = is_drained ? "Applications and leaders leave this site, until "
                                                 "it is undrained."
                                               : "Applications and leaders come back to this "
                                                 "site, when it was quiet.",
                            .print_plan = print_plan,
                            .wait = is_drained ? wait_for : NULL,
                            .data = (void *)(uintptr_t)site};
    return change_run(s, &change);
}

int site_drain(struct session *s)
{
    return change(s, true);
}

int site_undrain(struct session *s)
{
    return change(s, false);
}

/* ---- weight ---- */

static void print_weight_plan(const json_t *plan, FILE *into)
{
    fprintf(into, "site %s is to weigh %lld beside the others\n", field_text(plan, "site"),
            (long long)field_number(plan, "weight"));
}

int site_weight(struct session *s)
{
    int64_t weight;
    const char *text = s->arguments.operands[1];
    if (!arguments_number(text, 1, 100, &weight)) {
        fprintf(s->err, "trilog: a weight is a whole number from 1 to 100, not '%s'\n", text);
        return EXIT_USAGE;
    }
    json_t *body = json_pack("{s:I}", "weight", (json_int_t)weight);
    if (!session_put_text(s, body, "site", s->arguments.operands[0])) {
        json_decref(body);
        return EXIT_USAGE;
    }
    struct change change = {.path = "/v1/sites/weight",
                            .body = body,
                            .what = "Applications that have no site of their own, or lost it, are "
                                    "spread anew.",
                            .print_plan = print_weight_plan};
    return change_run(s, &change);
}

/* trilog disk …: each node's own disk, and its scrubber. */
#include "command.h"
#include "progress.h"
#include "table.h"

static void add_disk(struct table *t, const json_t *json)
{
    const json_t *wal = json_object_get(json, "wal");
    table_number(t, field_number(json, "node_id"));
    table_text(t, field_text(json, "state"));
    table_bytes(t, field_number(json, "free_bytes"));
    table_bytes(t, field_number(json, "total_bytes"));
    table_duration(t, (field_number(json, "sync_p99_us") + 999) / 1000);
    table_bytes(t, field_number(wal, "held_bytes"));
    table_number(t, field_number(json_object_get(json, "segments"), "damaged"));
    table_text(t, field_flag(json_object_get(json, "start"), "is_whole") ? "yes" : "no");
    table_text(t, field_text(json, "data_directory"));
}

/* Asks every node that is named. EXIT_PARTLY when only some answer. */
static int ask_each(struct session *s, const char *path, bool is_post,
                    void (*take)(struct table *t, const json_t *json), struct table *t)
{
    unsigned count = 0;
    int status, worst = EXIT_DONE;
    for (unsigned i = 0; i < s->targets.count; i++) {
        json_t *json = is_post ? session_post_of(s, i, path, json_object(), &status)
                               : session_get_of(s, i, path, &status);
        if (json == NULL) {
            worst = status;
            continue;
        }
        count++;
        if (s->is_json)
            session_print_json(s, json);
        else
            take(t, json);
        json_decref(json);
    }
    if (!s->is_json && count > 0)
        table_print(t, s->out);
    return count > 0 && worst != EXIT_DONE ? EXIT_PARTLY : worst;
}

int disk_status(struct session *s)
{
    struct table t;
    table_init(&t, ">NODE|STATE|>FREE|>TOTAL|>SYNC P99|>WAL|>DAMAGED|WHOLE|FOLDER");
    int status = ask_each(s, "/v1/disk", false, add_disk, &t);
    table_close(&t);
    return status;
}

/* ---- the scrubber ---- */

static int64_t percent_of(const json_t *json)
{
    int64_t done = field_number(json, "done_bytes"), total = field_number(json, "total_bytes");
    return total <= 0 ? 100 : done >= total ? 100 : (int64_t)(100.0 * (double)done / (double)total);
}

static void add_scrub(struct table *t, const json_t *json)
{
    char percent[16];
    snprintf(percent, sizeof percent, "%lld %%", (long long)percent_of(json));
    table_number(t, field_number(json, "node_id"));
    table_text(t, field_flag(json, "is_running") ? "running" : "idle");
    table_text(t, percent);
    table_bytes(t, field_number(json, "total_bytes"));
    table_number(t, field_number(json, "segments_suspected"));
    table_number(t, field_number(json, "passes_finished"));
    table_text(t, field_text(json, "position"));
}

static bool look(struct session *s, void *data, char text[PROGRESS_TEXT_SIZE])
{
    unsigned running_count = 0, answer_count = 0;
    int64_t done_bytes = 0, total_bytes = 0;
    (void)data;
    for (unsigned i = 0; i < s->targets.count; i++) {
        struct http_answer answer;
        http_ask(&s->targets, i, "/v1/scrub", NULL, &answer);
        if (answer.outcome == HTTP_ANSWERED && http_error_code(&answer) == NULL) {
            answer_count++;
            running_count += field_flag(answer.json, "is_running");
            done_bytes += field_number(answer.json, "done_bytes");
            total_bytes += field_number(answer.json, "total_bytes");
        }
        http_answer_close(&answer);
    }
    if (answer_count > 0)
        snprintf(text, PROGRESS_TEXT_SIZE, "%u of %u nodes still read; %lld of %lld MiB",
                 running_count, answer_count, (long long)(done_bytes >> 20),
                 (long long)(total_bytes >> 20));
    return answer_count > 0 && running_count == 0;
}

int disk_scrub(struct session *s)
{
    struct table t;
    if (!progress_can_wait(s))
        return EXIT_USAGE;
    table_init(&t, ">NODE|STATE|>READ|>SIZE|>SUSPECTED|>PASSES|FILE");
    bool is_plan = arguments_has(&s->arguments, OPTION_PLAN);
    int status = ask_each(s, is_plan ? "/v1/scrub" : "/v1/scrub/start", !is_plan, add_scrub, &t);
    table_close(&t);
    if (is_plan || status == EXIT_FAILED || status == EXIT_UNREACHABLE)
        return status;
    int waited = progress_wait(s, look, NULL, "trilog disk scrub --plan");
    return status == EXIT_DONE ? waited : status;
}

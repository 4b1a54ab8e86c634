/* trilog cluster health: is it whole? */
#include <string.h>

#include "command.h"
#include "progress.h"
#include "table.h"

static void put_reason(struct table *t, const json_t *reason)
{
    table_text(t, field_text(reason, "code"));
    table_text(t, field_text(reason, "message"));
}

static bool look(struct session *s, void *data, char text[PROGRESS_TEXT_SIZE])
{
    struct http_answer answer;
    (void)data;
    http_ask_any(&s->targets, "/v1/cluster/health", NULL, &answer);
    const json_t *reasons = json_object_get(answer.json, "reasons");
    bool is_answered = answer.outcome == HTTP_ANSWERED && json_is_array(reasons);
    bool is_healthy = is_answered && field_flag(answer.json, "healthy");
    if (is_answered)
        snprintf(text, PROGRESS_TEXT_SIZE, "%s",
                 is_healthy ? "healthy" : field_text(json_array_get(reasons, 0), "message"));
    http_answer_close(&answer);
    return is_healthy;
}

int cluster_health(struct session *s)
{
    int status;
    if (!progress_can_wait(s))
        return EXIT_USAGE;
    if (arguments_has(&s->arguments, OPTION_WAIT))
        progress_watch(s, look, NULL); /* what is then so is told below, whatever came of it */
    json_t *json = session_get(s, "/v1/cluster/health", &status);
    if (json == NULL)
        return status;
    bool is_healthy = field_flag(json, "healthy");
    if (s->is_json)
        session_print_json(s, json);
    else
        fprintf(s->out, is_healthy ? "healthy\n" : "not healthy\n\n");
    if (!s->is_json)
        field_print_rows(s->out, "CODE|REASON", json_object_get(json, "reasons"), put_reason);
    json_decref(json);
    return is_healthy ? EXIT_DONE : EXIT_FAILED;
}

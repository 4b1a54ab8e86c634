/* What commands share: asking nodes, asking the operator, and saying what went wrong. */
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

/* ---- errors ---- */

/* What to do next, for what an operator meets most. */
static const struct {
    const char *code, *advice;
} advices[] = {
    {"no_token", "name the file with the node's token by --token-file or TRILOG_TOKEN_FILE"},
    {"foreign_host", "name the node by its address"},
    {"starting", "it is not serving yet; ask again, or another node by --admin"},
    {"stopping", "ask another node by --admin"},
    {"no_leader", "no node leads the metadata now: see `trilog cluster status`, and try again"},
    {"busy", "try again"},
    {"no_such_path", "the node is of another release than this command"},
    {"unknown_field", "the node is of another release than this command"},
};

static void advise(struct session *s, const char *code)
{
    for (size_t i = 0; code != NULL && i < sizeof advices / sizeof advices[0]; i++)
        if (strcmp(advices[i].code, code) == 0)
            fprintf(s->err, "trilog: %s\n", advices[i].advice);
}

static int tell_unreachable(struct session *s, const struct http_answer *answer)
{
    fprintf(s->err, "trilog: no node could be reached; the last one tried: %s\n", answer->trouble);
    fprintf(s->err,
            "trilog: does trilogd run there? `admin_listen` in its settings is the address; "
            "name it by --admin HOST:PORT\n");
    return EXIT_UNREACHABLE;
}

static int tell_unknown_fate(struct session *s, const char *why)
{
    fprintf(s->err, "trilog: %s\n", why);
    fprintf(s->err, "trilog: it is not known whether the change was made: look at what is (list, "
                    "describe) before you try again\n");
    return EXIT_PARTLY;
}

/* For scripts: the code is there, and what was said for people stands in the message. */
static void print_refusal(struct session *s, const struct http_answer *answer)
{
    if (s->is_json && answer->outcome == HTTP_ANSWERED)
        session_print_json(s, answer->json);
}

/* EXIT_DONE when the answer is a success. */
static int judge(struct session *s, const struct http_answer *answer, bool is_change)
{
    const char *code = http_error_code(answer), *text = http_error_text(answer);
    if (answer->outcome == HTTP_NOT_SENT)
        return tell_unreachable(s, answer);
    if (answer->outcome == HTTP_FATE_UNKNOWN)
        return is_change ? tell_unknown_fate(s, answer->trouble) : tell_unreachable(s, answer);
    if (answer->status < 400 || (code == NULL && !is_change))
        return EXIT_DONE; /* /livez and /readyz say "no" by their status */
    if (is_change && code != NULL &&
        (strcmp(code, "timeout") == 0 || strcmp(code, "fate_unknown") == 0)) {
        print_refusal(s, answer);
        return tell_unknown_fate(s, text == NULL ? code : text);
    }
    fprintf(s->err, "trilog: refused: %s\n", text == NULL ? "without a reason" : text);
    advise(s, code);
    print_refusal(s, answer);
    return EXIT_FAILED;
}

/* ---- asking nodes ---- */

json_t *session_get(struct session *s, const char *path, int *status)
{
    struct http_answer answer;
    http_ask_any(&s->targets, path, NULL, &answer);
    *status = judge(s, &answer, false);
    if (*status == EXIT_DONE)
        return answer.json;
    http_answer_close(&answer);
    return NULL;
}

static json_t *exchange_with(struct session *s, unsigned target, const char *path,
                             const json_t *body, int *status)
{
    struct http_answer answer;
    http_ask(&s->targets, target, path, body, &answer);
    const char *text = http_error_text(&answer);
    *status = EXIT_DONE;
    if (answer.outcome == HTTP_ANSWERED && http_error_code(&answer) == NULL)
        return answer.json;
    *status = answer.outcome == HTTP_ANSWERED ? EXIT_FAILED : EXIT_UNREACHABLE;
    if (answer.outcome == HTTP_ANSWERED)
        fprintf(s->err, "trilog: %s: refused: %s\n", s->targets.urls[target],
                text == NULL ? "without a reason" : text);
    else
        fprintf(s->err, "trilog: %s\n", answer.trouble);
    advise(s, http_error_code(&answer));
    print_refusal(s, &answer);
    http_answer_close(&answer);
    return NULL;
}

json_t *session_get_of(struct session *s, unsigned target, const char *path, int *status)
{
    return exchange_with(s, target, path, NULL, status);
}

int session_get_each(struct session *s, const char *path, struct session_answers *answers)
{
    int status, worst = EXIT_DONE;
    answers->count = 0;
    for (unsigned i = 0; i < s->targets.count; i++) {
        json_t *json = session_get_of(s, i, path, &status);
        if (json != NULL)
            answers->of[answers->count++] = json;
        else
            worst = status;
    }
    return answers->count > 0 && worst != EXIT_DONE ? EXIT_PARTLY : worst;
}

void session_answers_close(struct session_answers *answers)
{
    for (unsigned i = 0; i < answers->count; i++)
        json_decref(answers->of[i]);
}

json_t *session_post_of(struct session *s, unsigned target, const char *path, json_t *body,
                        int *status)
{
    json_t *answer = exchange_with(s, target, path, body, status);
    json_decref(body);
    return answer;
}

json_t *session_post(struct session *s, const char *path, json_t *body, int *status)
{
    struct http_answer answer;
    http_ask_any(&s->targets, path, body, &answer);
    json_decref(body);
    *status = judge(s, &answer, true);
    if (*status == EXIT_DONE)
        return answer.json;
    http_answer_close(&answer);
    return NULL;
}

bool session_put_text(struct session *s, json_t *body, const char *name, const char *text)
{
    if (json_object_set_new(body, name, json_string(text)) == 0)
        return true;
    fprintf(s->err, "trilog: a word of the command line is not UTF-8\n");
    return false;
}

bool session_path(struct session *s, const char *path, const char *name, const char *text,
                  char into[HTTP_PATH_SIZE])
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
    bool has_query = strchr(path, '?') != NULL;
    int used = snprintf(into, HTTP_PATH_SIZE, "%s%c%s=", path, has_query ? '&' : '?', name);
    for (; *text != '\0' && used < HTTP_PATH_SIZE - 4; text++)
        if (strchr(plain, *text) != NULL)
            into[used++] = *text;
        else
            used += snprintf(into + used, 4, "%%%02X", (unsigned char)*text);
    into[used < HTTP_PATH_SIZE ? used : HTTP_PATH_SIZE - 1] = '\0';
    if (*text != '\0')
        fprintf(s->err, "trilog: a word of the command line is too long\n");
    return *text == '\0';
}

json_t *session_get_named(struct session *s, const char *path, const char *name, const char *text,
                          int *status)
{
    char whole[HTTP_PATH_SIZE];
    *status = EXIT_USAGE;
    return session_path(s, path, name, text, whole) ? session_get(s, whole, status) : NULL;
}

/* ---- the operator ---- */

void session_put_who(json_t *body)
{
    char text[320], host[128] = "";
    const struct passwd *user = getpwuid(getuid());
    gethostname(host, sizeof host - 1);
    snprintf(text, sizeof text, "%.150s@%s", user != NULL ? user->pw_name : "unknown", host);
    if (json_object_set_new(body, "by", json_string(text)) != 0)
        json_object_set_new(body, "by", json_string("a user whose name is not UTF-8"));
}

void session_print_json(struct session *s, const json_t *json)
{
    json_dumpf(json, s->out, JSON_INDENT(2));
    fputc('\n', s->out);
}

void session_show(struct session *s, const json_t *json, struct table *table)
{
    if (s->is_json)
        session_print_json(s, json);
    else
        table_print(table, s->out);
    table_close(table);
}

int session_list(struct session *s, const char *path, const char *array, const char *headings,
                 field_row_cb put)
{
    int status;
    struct table t;
    json_t *json = session_get(s, path, &status);
    if (json == NULL)
        return status;
    table_init(&t, headings);
    field_put_rows(&t, json_object_get(json, array), put);
    session_show(s, json, &t);
    json_decref(json);
    return EXIT_DONE;
}

int session_confirm(struct session *s, const char *what)
{
    char line[64];
    if (arguments_has(&s->arguments, OPTION_YES))
        return EXIT_DONE;
    if (!s->is_terminal) {
        fprintf(s->err, "trilog: nobody can be asked here: give --yes to go on, or --plan to see "
                        "what would be done\n");
        return EXIT_USAGE;
    }
    fprintf(s->err, "%s\nType yes to go on: ", what);
    fflush(s->err);
    bool is_read = fgets(line, sizeof line, s->in) != NULL;
    if (is_read && (strcmp(line, "yes\n") == 0 || strcmp(line, "yes") == 0))
        return EXIT_DONE;
    fprintf(s->err, "trilog: nothing was done\n");
    return EXIT_FAILED;
}

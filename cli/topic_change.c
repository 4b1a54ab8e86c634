/* trilog topic create, delete, config. Configs are words of the command: NAME=VALUE, and NAME= for
 * what the topic is to inherit again. */
#include <string.h>

#include "change.h"
#include "table.h"

static bool is_named_before(const struct arguments *a, unsigned at, size_t size)
{
    for (unsigned i = 1; i < at; i++)
        if (strncmp(a->operands[i], a->operands[at], size + 1) == 0) /* with the '=' */
            return true;
    return false;
}

/* False, and told, when a word is no NAME=VALUE, or names what another one does. An empty value
 * goes into `removed`, or is refused where that is NULL. */
static bool read_configs(struct session *s, json_t *set, json_t *removed)
{
    char name[128];
    const struct arguments *a = &s->arguments;
    for (unsigned i = 1; i < a->operand_count; i++) {
        const char *word = a->operands[i], *equals = strchr(word, '=');
        size_t size = equals == NULL ? 0 : (size_t)(equals - word);
        if (size == 0 || size >= sizeof name || (removed == NULL && equals[1] == '\0')) {
            fprintf(s->err, "trilog: %.100s is not NAME=VALUE\n", word);
            return false;
        }
        snprintf(name, sizeof name, "%.*s", (int)size, word);
        if (is_named_before(a, i, size)) {
            fprintf(s->err, "trilog: %s is given twice\n", name);
            return false;
        }
        if (equals[1] != '\0' && !session_put_text(s, set, name, equals + 1))
            return false;
        if (equals[1] == '\0' && json_array_append_new(removed, json_string(name)) != 0) {
            fprintf(s->err, "trilog: a word of the command line is not UTF-8\n");
            return false;
        }
    }
    return true;
}

static bool put_number(struct session *s, json_t *body, enum option_id option, const char *field,
                       int64_t most)
{
    const char *text = s->arguments.values[option];
    int64_t number;
    if (!arguments_has(&s->arguments, option))
        return true;
    if (!arguments_number(text, 1, most, &number)) {
        fprintf(s->err, "trilog: --%s is a number from 1 to %lld, not %.40s\n",
                option_rows[option].name, (long long)most, text);
        return false;
    }
    json_object_set_new(body, field, json_integer(number));
    return true;
}

static int change_topic(struct session *s, const char *path, json_t *body, bool is_sound,
                        const char *what, void (*print_plan)(const json_t *plan, FILE *into))
{
    if (!is_sound) {
        json_decref(body);
        return EXIT_USAGE;
    }
    struct change change = {.path = path, .body = body, .what = what, .print_plan = print_plan};
    return change_run(s, &change);
}

/* ---- create ---- */

static void print_creation(const json_t *plan, FILE *into)
{
    fprintf(into, "topic %s, %lld partitions, %lld replicas each\n", field_text(plan, "topic"),
            (long long)field_number(plan, "partitions"),
            (long long)field_number(plan, "replication_factor"));
}

int topic_create(struct session *s)
{
    json_t *body = json_object(), *configs = json_object();
    bool is_sound = session_put_text(s, body, "topic", s->arguments.operands[0]) &&
                    put_number(s, body, OPTION_PARTITIONS, "partitions", 100000) &&
                    put_number(s, body, OPTION_REPLICATION_FACTOR, "replication_factor", 16) &&
                    read_configs(s, configs, NULL);
    json_object_set_new(body, "configs", configs);
    return change_topic(s, "/v1/topics/create", body, is_sound, "This topic is created.",
                        print_creation);
}

/* ---- delete ---- */

static void print_deletion(const json_t *plan, FILE *into)
{
    fprintf(into, "topic %s with its %lld partitions and all their records\n",
            field_text(plan, "topic"), (long long)field_number(plan, "partitions"));
}

int topic_delete(struct session *s)
{
    json_t *body = json_object();
    bool is_sound = session_put_text(s, body, "topic", s->arguments.operands[0]);
    return change_topic(s, "/v1/topics/delete", body, is_sound,
                        "This topic is deleted, with all its records, in every site. They can't be "
                        "had back.",
                        print_deletion);
}

/* ---- config ---- */

static void put_change(struct table *t, const json_t *change)
{
    table_text(t, field_text(change, "name"));
    table_text(t, field_text(change, "old"));
    table_text(t, field_text(change, "new"));
}

static void print_changes(const json_t *plan, FILE *into)
{
    field_print_rows(into, "CONFIG|NOW|THEN", json_object_get(plan, "changes"), put_change);
}

int topic_config(struct session *s)
{
    if (s->arguments.operand_count == 1)
        return topic_configs_print(s);
    json_t *body = json_object(), *set = json_object(), *removed = json_array();
    bool is_sound = session_put_text(s, body, "topic", s->arguments.operands[0]) &&
                    read_configs(s, set, removed);
    json_object_set_new(body, "set", set);
    json_object_set_new(body, "remove", removed);
    return change_topic(s, "/v1/topics/config", body, is_sound,
                        "These configs of the topic take effect in every site.", print_changes);
}

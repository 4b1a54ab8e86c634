/* Clients as users have them.
 *
 * Nothing here tunes a client: a setting that a test needs and users lack would show what no user
 * sees. Whoever wants to know the broker's part of an outage, and not the client's own pauses,
 * says so with --client. Logs are dropped, for a lost connection is the subject and no news; what a
 * client tells its application outside of any operation becomes a line `error`. */
#include "client.h"

#include <stdio.h>

static const struct options_client *asked;
static int asked_count;

void client_use(const struct options *options)
{
    asked = options->client;
    asked_count = options->client_count;
}

static void drop_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client, (void)level, (void)facility, (void)text;
}

const char *client_error_name(rd_kafka_resp_err_t err)
{
    const char *name = rd_kafka_err2name(err);
    return name != NULL ? name : "unnamed";
}

static void on_error(rd_kafka_t *client, int err, const char *reason, void *opaque)
{
    (void)client;
    note_error(opaque, now_us(), client_error_name((rd_kafka_resp_err_t)err),
               (struct note_place){NULL, NOTE_NONE}, reason);
}

static int set_all(rd_kafka_conf_t *conf, const struct client_setting *settings)
{
    char error[256];
    for (; settings->name != NULL; settings++) {
        if (rd_kafka_conf_set(conf, settings->name, settings->value, error, sizeof error) != 0) {
            fprintf(stderr, "ledger: %s\n", error);
            return -1;
        }
    }
    for (int i = 0; i < asked_count; i++) {
        if (rd_kafka_conf_set(conf, asked[i].name, asked[i].value, error, sizeof error) != 0) {
            fprintf(stderr, "ledger: --client: %s\n", error);
            return -1;
        }
    }
    return 0;
}

rd_kafka_t *client_create(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct process *process,
                          const struct client_setting *settings)
{
    char error[256] = "";
    rd_kafka_t *client = NULL;
    if (conf == NULL)
        conf = rd_kafka_conf_new();
    rd_kafka_conf_set_opaque(conf, process);
    rd_kafka_conf_set_log_cb(conf, drop_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    if (set_all(conf, settings) == 0)
        client = rd_kafka_new(type, conf, error, sizeof error);
    if (client == NULL) {
        fprintf(stderr, "ledger: %s can't be: %s\n", process->name, error);
        rd_kafka_conf_destroy(conf);
    }
    return client;
}

void client_end(rd_kafka_t *client, bool is_last)
{
    if (!is_last)
        rd_kafka_destroy(client);
}

struct note_end client_query_end(rd_kafka_resp_err_t err, int64_t offset)
{
    return (struct note_end){
        .outcome = err == RD_KAFKA_RESP_ERR_NO_ERROR ? NOTE_OK : NOTE_FAIL,
        .error = client_error_name(err),
        .offset = offset,
        .epoch = NOTE_NONE,
    };
}

struct note_end client_change_end(rd_kafka_resp_err_t err, int64_t offset)
{
    struct note_end end = client_query_end(err, offset);
    if (end.outcome == NOTE_FAIL)
        end.outcome = NOTE_UNKNOWN;
    return end;
}

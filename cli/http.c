/* One exchange, and trying the next node. A change is sent to a second node only when it is certain
 * that the first has done nothing. */
#include "http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS_MAX  2000L
#define EXCHANGE_MS_MAX 20000L

struct received {
    char *bytes;
    size_t size;
};

bool http_init(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

/* libcurl's: anything but the size is an error. */
static size_t on_bytes(char *bytes, size_t one, size_t count, void *data)
{
    struct received *r = data;
    size_t size = one * count;
    if (size > HTTP_ANSWER_BYTES_MAX - r->size)
        return 0;
    char *larger = realloc(r->bytes, r->size + size + 1);
    if (larger == NULL)
        return 0;
    memcpy(larger + r->size, bytes, size);
    r->bytes = larger;
    r->size += size;
    return size;
}

static struct curl_slist *headers_of(const struct targets *targets)
{
    char line[TARGET_TOKEN_SIZE + 32];
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (targets->token[0] == '\0')
        return headers;
    snprintf(line, sizeof line, "Authorization: Bearer %s", targets->token);
    return curl_slist_append(headers, line);
}

static void set_options(CURL *curl, const char *url, struct curl_slist *headers, const char *body,
                        struct received *received)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* a token is for the node, for no one between */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS_MAX);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, EXCHANGE_MS_MAX);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, received);
    if (body != NULL)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
}

static void judge(CURLcode code, CURL *curl, const char *url, const struct received *received,
                  struct http_answer *answer)
{
    json_error_t error;
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
        code == CURLE_URL_MALFORMAT) {
        answer->outcome = HTTP_NOT_SENT;
        snprintf(answer->trouble, sizeof answer->trouble, "%.120s: %s", url,
                 curl_easy_strerror(code));
        return;
    }
    answer->outcome = HTTP_FATE_UNKNOWN;
    if (code != CURLE_OK) {
        snprintf(answer->trouble, sizeof answer->trouble, "%.120s: %s", url,
                 curl_easy_strerror(code));
        return;
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    answer->json = json_loadb(received->bytes, received->size, 0, &error);
    if (json_is_object(answer->json))
        answer->outcome = HTTP_ANSWERED;
    else
        snprintf(answer->trouble, sizeof answer->trouble,
                 "%.120s: status %ld without JSON: is this a node's operator's port?", url,
                 answer->status);
}

static void take_message(struct http_answer *answer)
{
    const char *text = json_string_value(json_object_get(answer->json, "message"));
    snprintf(answer->message, sizeof answer->message, "%s", text == NULL ? "" : text);
    for (char *at = answer->message; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
}

void http_ask(const struct targets *targets, unsigned target, const char *path, const json_t *body,
              struct http_answer *answer)
{
    char url[TARGET_URL_SIZE + HTTP_PATH_SIZE];
    struct received received = {0};
    memset(answer, 0, sizeof *answer);
    answer->outcome = HTTP_NOT_SENT;
    snprintf(url, sizeof url, "%s%s", targets->urls[target], path);
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = headers_of(targets);
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    if (curl == NULL || headers == NULL || (body != NULL && text == NULL)) {
        snprintf(answer->trouble, sizeof answer->trouble, "out of memory");
    } else {
        set_options(curl, url, headers, text, &received);
        judge(curl_easy_perform(curl), curl, url, &received, answer);
        take_message(answer);
    }
    free(text);
    free(received.bytes);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
}

void http_answer_close(struct http_answer *answer)
{
    json_decref(answer->json);
    answer->json = NULL;
}

const char *http_error_code(const struct http_answer *answer)
{
    return json_string_value(json_object_get(answer->json, "error"));
}

const char *http_error_text(const struct http_answer *answer)
{
    return answer->message[0] != '\0' ? answer->message : NULL;
}

/* It has done nothing, and another node may; a question may be asked twice in any case. */
static bool is_next_worth_asking(const struct http_answer *answer, bool is_change)
{
    static const char *const codes[] = {"starting", "stopping", "busy", "no_leader"};
    const char *code = http_error_code(answer);
    if (answer->outcome == HTTP_NOT_SENT || (!is_change && answer->outcome != HTTP_ANSWERED))
        return true;
    for (size_t i = 0; code != NULL && i < sizeof codes / sizeof codes[0]; i++)
        if (strcmp(code, codes[i]) == 0)
            return true;
    return false;
}

/* A node that said why it can't tells more than one that says nothing. A change whose fate is not
 * known comes before both. */
static bool is_worth_more(const struct http_answer *earlier, const struct http_answer *later,
                          bool is_change)
{
    return earlier->outcome == HTTP_ANSWERED && later->outcome != HTTP_ANSWERED &&
           (!is_change || later->outcome == HTTP_NOT_SENT);
}

void http_ask_any(const struct targets *targets, const char *path, const json_t *body,
                  struct http_answer *answer)
{
    bool is_change = body != NULL;
    http_ask(targets, 0, path, body, answer);
    for (unsigned i = 1; i < targets->count && is_next_worth_asking(answer, is_change); i++) {
        struct http_answer next;
        http_ask(targets, i, path, body, &next);
        if (is_worth_more(answer, &next, is_change))
            continue;
        http_answer_close(answer);
        *answer = next;
    }
}

/* Small texts for answers. */
#include "request/text.h"

#include <string.h>

static struct kafka_string copy_of(struct request *r, const char *data, size_t size)
{
    char *copy = request_allocate(r, size + 1);
    if (copy == NULL)
        return KAFKA_STRING_NULL;
    memcpy(copy, data, size);
    return (struct kafka_string){.data = copy, .size = (int32_t)size};
}

struct kafka_string text_copy(struct request *r, const char *text)
{
    return copy_of(r, text, strlen(text));
}

char *text_terminated(struct request *r, struct kafka_string string)
{
    if (string.size < 0 ||
        (string.size > 0 && memchr(string.data, '\0', (size_t)string.size) != NULL))
        return NULL;
    char *copy = request_allocate(r, (size_t)string.size + 1);
    if (copy != NULL && string.size > 0)
        memcpy(copy, string.data, (size_t)string.size);
    return copy;
}

struct kafka_string text_cluster_id(struct request *r)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t id[18] = {0};
    char text[24];
    memcpy(id, r->broker->cluster_id, 16);
    for (int i = 0; i < 6; i++) {
        uint32_t three = (uint32_t)id[i * 3] << 16 | (uint32_t)id[i * 3 + 1] << 8 | id[i * 3 + 2];
        for (int j = 0; j < 4; j++)
            text[i * 4 + j] = digits[three >> (18 - 6 * j) & 63];
    }
    return copy_of(r, text, 22);
}

bool text_is_topic_name(struct kafka_string name)
{
    if (name.size < 1 || name.size > METADATA_TOPIC_NAME_MAX || kafka_string_is_text(name, ".") ||
        kafka_string_is_text(name, ".."))
        return false;
    for (int32_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static const char *shown(char into[TEXT_EVENT_SIZE], struct kafka_string text, char lowest)
{
    int32_t size = 0;
    for (; size < text.size && size < TEXT_EVENT_SIZE - 1; size++) {
        char c = text.data[size];
        into[size] = c >= lowest && c < 0x7f && c != '"' ? c : '?';
    }
    into[size] = '\0';
    return into;
}

const char *text_for_event(char into[TEXT_EVENT_SIZE], struct kafka_string text)
{
    return shown(into, text, ' ' + 1);
}

const char *text_for_quotes(char into[TEXT_EVENT_SIZE], struct kafka_string text)
{
    return shown(into, text, ' ');
}

/* Names of clients, topics and groups, "orders, billing-*": who may do what.
 *
 * A '*' stands at the end only, for anything: what begins alike is what operators name alike, and
 * nobody has to think of what a pattern in the middle means. The text is kept as it stands, and
 * walked along when it is asked. */
#include "pattern.h"

#include <ctype.h>
#include <string.h>

/* The next word without blanks around it; NULL at the end. */
static const char *next_word(const char **at, size_t *size)
{
    const char *begin = *at;
    if (begin == NULL)
        return NULL;
    const char *comma = strchr(begin, ',');
    const char *end = comma != NULL ? comma : begin + strlen(begin);
    *at = comma != NULL ? comma + 1 : NULL;
    while (begin < end && *begin == ' ')
        begin++;
    while (end > begin && end[-1] == ' ')
        end--;
    *size = (size_t)(end - begin);
    return begin;
}

bool conf_patterns_have(const struct conf_patterns *patterns, const char *name, size_t size)
{
    const char *at = patterns->text[0] == '\0' ? NULL : patterns->text, *word;
    size_t word_size;
    while ((word = next_word(&at, &word_size)) != NULL) {
        bool is_beginning = word_size > 0 && word[word_size - 1] == '*';
        size_t least = is_beginning ? word_size - 1 : word_size;
        bool fits = is_beginning ? size >= least : size == least;
        if (fits && memcmp(word, name, least) == 0)
            return true;
    }
    return false;
}

static const char *trouble_in(const char *word, size_t size)
{
    if (size == 0)
        return "has an empty name";
    for (size_t i = 0; i < size; i++) {
        if (iscntrl((unsigned char)word[i]))
            return "holds a control character";
        if (word[i] == '*' && i + 1 < size)
            return "has a '*' that is not at a name's end";
    }
    return NULL;
}

int patterns_read(const char *name, const char *text, struct conf_patterns *into,
                  struct err_note *note)
{
    const char *at = text, *word;
    size_t size;
    if (strlen(text) >= sizeof into->text)
        return err_set(note, ERR_INVALID, "%s: is longer than %zu bytes", name,
                       sizeof into->text - 1);
    memset(into->text, 0, sizeof into->text);
    if (strcmp(text, "none") == 0)
        return 0;
    while ((word = next_word(&at, &size)) != NULL) {
        const char *why = trouble_in(word, size);
        if (why != NULL)
            return err_set(note, ERR_INVALID, "%s: '%.40s' %s (orders, billing-*, *, or none)",
                           name, text, why);
    }
    memcpy(into->text, text, strlen(text));
    return 0;
}

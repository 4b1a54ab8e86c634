/* Addresses and networks, "10.1.0.0/16, ::1": who may do what others may not.
 *
 * All are kept as IPv6 sees them (an IPv4 address is ::ffff:a.b.c.d), as connections are counted:
 * one comparison of leading bits, whatever family was written or connects. Bits behind a prefix
 * must be zero: "10.1.2.3/16" is a slip of which nobody can say what was meant. */
#include "network.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS_BITS 128
#define IPV4_BITS    32
#define IPV4_START   12 /* bytes in front of an IPv4 address in its IPv6 form */

static const uint8_t ipv4_prefix[IPV4_START] = {[10] = 0xff, [11] = 0xff};

static bool is_inside(const struct conf_network *n, const uint8_t *address)
{
    unsigned whole = n->bits / 8, rest = n->bits % 8;
    if (memcmp(n->address, address, whole) != 0)
        return false;
    return rest == 0 || (n->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

bool conf_networks_have(const struct conf_networks *networks, const uint8_t address[16])
{
    for (unsigned i = 0; i < networks->count; i++)
        if (is_inside(&networks->entries[i], address))
            return true;
    return false;
}

/* Nothing but zeros behind the prefix. */
static bool is_whole_network(const struct conf_network *n)
{
    for (unsigned bit = n->bits; bit < ADDRESS_BITS; bit++)
        if (n->address[bit / 8] >> (7 - bit % 8) & 1)
            return false;
    return true;
}

/* Digits only; -1 when it is none, or above `most`. */
static int read_bits(const char *text, int most)
{
    int value = 0;
    if (*text == '\0')
        return -1;
    for (; *text != '\0'; text++) {
        value = isdigit((unsigned char)*text) ? value * 10 + (*text - '0') : most + 1;
        if (value > most)
            return -1;
    }
    return value;
}

/* "10.1.0.0/16" or "::1". Changes the text. NULL, or what is wrong with it. */
static const char *read_one(char *text, struct conf_network *into)
{
    char *slash = strchr(text, '/');
    if (slash != NULL)
        *slash = '\0';
    bool is_ipv4 = inet_pton(AF_INET, text, into->address + IPV4_START) == 1;
    if (is_ipv4)
        memcpy(into->address, ipv4_prefix, sizeof ipv4_prefix);
    else if (inet_pton(AF_INET6, text, into->address) != 1)
        return "is neither an IPv4 nor an IPv6 address";
    int most = is_ipv4 ? IPV4_BITS : ADDRESS_BITS;
    int bits = slash == NULL ? most : read_bits(slash + 1, most);
    if (bits < 0)
        return is_ipv4 ? "has no prefix length from 0 to 32 behind its '/'"
                       : "has no prefix length from 0 to 128 behind its '/'";
    into->bits = (uint8_t)(bits + (is_ipv4 ? ADDRESS_BITS - IPV4_BITS : 0));
    return is_whole_network(into) ? NULL : "has other bits than 0 behind its prefix";
}

/* The next one of the list, without blanks around it; false: it is too long to be one. */
static bool take_word(const char **at, char word[CONF_NETWORK_SIZE])
{
    const char *begin = *at + strspn(*at, " ");
    size_t length = strcspn(begin, ",");
    *at = begin + length + (begin[length] == ',');
    while (length > 0 && begin[length - 1] == ' ')
        length--;
    if (length >= CONF_NETWORK_SIZE)
        length = CONF_NETWORK_SIZE - 1; /* what is too long is no address either */
    memcpy(word, begin, length);
    word[length] = '\0';
    return length < CONF_NETWORK_SIZE - 1;
}

int networks_read(const char *name, const char *text, struct conf_networks *into,
                  struct err_note *note)
{
    bool has_more = true;
    into->count = 0;
    if (strcmp(text, "none") == 0)
        return 0;
    for (const char *at = text; has_more;) {
        char word[CONF_NETWORK_SIZE], shown[CONF_NETWORK_SIZE];
        if (into->count == CONF_NETWORKS_MAX)
            return err_set(note, ERR_INVALID, "%s: more than %d addresses", name,
                           CONF_NETWORKS_MAX);
        const char *why = take_word(&at, word) ? NULL : "is too long for an address";
        memcpy(shown, word, sizeof shown);
        struct conf_network *network = &into->entries[into->count++];
        *network = (struct conf_network){0};
        if (why == NULL)
            why = read_one(word, network);
        if (why != NULL)
            return err_set(note, ERR_INVALID, "%s: '%s' %s (10.1.2.3, 10.1.0.0/16, ::1, or none)",
                           name, shown, why);
        has_more = at[-1] == ',';
    }
    return 0;
}

static int write_one(const struct conf_network *n, char *text, size_t size)
{
    char address[INET6_ADDRSTRLEN];
    unsigned front = ADDRESS_BITS - IPV4_BITS;
    bool is_ipv4 = n->bits >= front && memcmp(n->address, ipv4_prefix, sizeof ipv4_prefix) == 0;
    if (is_ipv4)
        inet_ntop(AF_INET, n->address + IPV4_START, address, sizeof address);
    else
        inet_ntop(AF_INET6, n->address, address, sizeof address);
    if (n->bits == ADDRESS_BITS)
        return snprintf(text, size, "%s", address);
    return snprintf(text, size, "%s/%u", address, is_ipv4 ? n->bits - front : n->bits);
}

void networks_write(const struct conf_networks *networks, char *text, size_t size)
{
    size_t length = 0;
    snprintf(text, size, "none");
    for (unsigned i = 0; i < networks->count && length < size; i++) {
        if (i > 0)
            length += (size_t)snprintf(text + length, size - length, ", ");
        if (length < size)
            length += (size_t)write_one(&networks->entries[i], text + length, size - length);
    }
}

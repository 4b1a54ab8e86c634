/* What a setting can be: the units of numbers, and the C types behind the kinds of conf/table.h.
 * The same for all tables. */
#ifndef CONF_FIELD_H
#define CONF_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONF_KIB    INT64_C(1024)
#define CONF_MIB    (1024 * CONF_KIB)
#define CONF_GIB    (1024 * CONF_MIB)
#define CONF_TIB    (1024 * CONF_GIB)
#define CONF_SECOND INT64_C(1000)
#define CONF_MINUTE (60 * CONF_SECOND)
#define CONF_HOUR   (60 * CONF_MINUTE)
#define CONF_DAY    (24 * CONF_HOUR)

#define CONF_NAME_SIZE      64                   /* of a site or cluster name, with its NUL */
#define CONF_HOST_SIZE      254                  /* the longest DNS name, with its NUL */
#define CONF_ADDRESS_SIZE   (CONF_HOST_SIZE + 8) /* "[host]:port" with its NUL */
#define CONF_PATH_SIZE      1024                 /* with its NUL */
#define CONF_SOURCE_SIZE    128                  /* of the file name in messages, with its NUL */
#define CONF_NODES_MAX      64
#define CONF_ADDRESSES_MAX  64
#define CONF_ROUTERS_MAX    64
#define CONF_SITES_MAX      5
#define CONF_NETWORKS_MAX   16
#define CONF_NETWORK_SIZE   52  /* "address/prefix" with its NUL, and a little more */
#define CONF_TOPIC_SIZE     250 /* the longest name of a topic, with its NUL */
#define CONF_GROUP_SIZE     256 /* of a consumer group, with its NUL */
#define CONF_PATTERNS_SIZE  256 /* with its NUL */
#define CONF_RULES_MAX      64  /* of each list of rules */
#define CONF_FILE_BYTES_MAX CONF_MIB

/* "host:port"; an IPv6 host stands in brackets in the file, not here. */
struct conf_address {
    char host[CONF_HOST_SIZE]; /* name or address; "" when not set, "none" where that is allowed */
    uint16_t port;             /* 0 when not set, or none */
};

/* Between the port of `listen` and the one that `admin_listen` has by default. */
#define CONF_ADMIN_PORT_STEP 508

struct conf_node {
    uint32_t id;               /* above 0 */
    char site[CONF_NAME_SIZE]; /* its datacenter */
    struct conf_address peer;  /* where the other nodes reach it */
};

struct conf_nodes {
    unsigned count;                           /* used of `entries` */
    struct conf_node entries[CONF_NODES_MAX]; /* in the file's order */
};

struct conf_addresses {
    unsigned count;                                  /* used of `entries` */
    struct conf_address entries[CONF_ADDRESSES_MAX]; /* in the file's order */
};

/* Routers have ids from here on: the numbers below are left to nodes. */
#define CONF_ROUTER_ID_LEAST 1000000

struct conf_router {
    uint32_t router_id;          /* from CONF_ROUTER_ID_LEAST on */
    char site[CONF_NAME_SIZE];   /* its datacenter */
    struct conf_address address; /* where clients reach it */
};

struct conf_routers {
    unsigned count;                               /* used of `entries` */
    struct conf_router entries[CONF_ROUTERS_MAX]; /* in the file's order */
};

/* Addresses that begin with the same bits. IPv4 as IPv6 sees it: ::ffff:a.b.c.d. */
struct conf_network {
    uint8_t address[16];
    uint8_t bits; /* that count; all behind them are zero */
};

struct conf_networks {
    unsigned count; /* used of `entries`; 0: nobody */
    struct conf_network entries[CONF_NETWORKS_MAX];
};

/* Is the address, in its IPv6 form, in one of them? */
bool conf_networks_have(const struct conf_networks *networks, const uint8_t address[16]);

/* Names, or beginnings of names: "orders, billing-*", "*". */
struct conf_patterns {
    char text[CONF_PATTERNS_SIZE]; /* as in the file; "": none */
};

/* Is the name one of them? */
bool conf_patterns_have(const struct conf_patterns *patterns, const char *name, size_t size);

/* Where a site's applications stand. */
struct conf_site_network {
    char site[CONF_NAME_SIZE];
    struct conf_networks addresses;
};

struct conf_site_networks {
    unsigned count; /* used of `entries` */
    struct conf_site_network entries[CONF_RULES_MAX];
};

/* Who belongs to an environment: by either. */
struct conf_environment {
    char environment[CONF_NAME_SIZE];
    struct conf_patterns client_ids;
    struct conf_networks addresses;
};

struct conf_environments {
    unsigned count; /* used of `entries` */
    struct conf_environment entries[CONF_RULES_MAX];
};

/* What clients of those names at those addresses may use. */
struct conf_permit {
    struct conf_patterns client_ids;
    struct conf_networks addresses;
    struct conf_patterns topics, groups;
    bool admin; /* changing topics, configs, groups themselves, too */
};

struct conf_permits {
    unsigned count; /* used of `entries`; 0: everybody may all */
    struct conf_permit entries[CONF_RULES_MAX];
};

enum conf_backlog_answer { CONF_BACKLOG_THROTTLE, CONF_BACKLOG_REFUSE };

/* How far a consumer group may be behind a topic's end before the topic takes no more. */
struct conf_backlog {
    char topic[CONF_TOPIC_SIZE];
    char group[CONF_GROUP_SIZE];
    int64_t records, ms; /* 0: no such limit */
    int answer;          /* enum conf_backlog_answer */
};

struct conf_backlogs {
    unsigned count; /* used of `entries` */
    struct conf_backlog entries[CONF_RULES_MAX];
};

/* The field of a row, by its kind. */
#define CONF_FIELD_HEADING(field)
#define CONF_FIELD_NUMBER(field)        int64_t field;
#define CONF_FIELD_FLAG(field)          bool field;
#define CONF_FIELD_CHOICE(field)        int field;
#define CONF_FIELD_NAME(field)          char field[CONF_NAME_SIZE];
#define CONF_FIELD_PATH(field)          char field[CONF_PATH_SIZE];
#define CONF_FIELD_ADDRESS(field)       struct conf_address field;
#define CONF_FIELD_NETWORKS(field)      struct conf_networks field;
#define CONF_FIELD_NODES(field)         struct conf_nodes field;
#define CONF_FIELD_ADDRESSES(field)     struct conf_addresses field;
#define CONF_FIELD_ROUTERS(field)       struct conf_routers field;
#define CONF_FIELD_PATTERNS(field)      struct conf_patterns field;
#define CONF_FIELD_SITE_NETWORKS(field) struct conf_site_networks field;
#define CONF_FIELD_ENVIRONMENTS(field)  struct conf_environments field;
#define CONF_FIELD_PERMITS(field)       struct conf_permits field;
#define CONF_FIELD_BACKLOGS(field)      struct conf_backlogs field;

/* Is it an address of 127.0.0.0/8, ::1 or "localhost": reached from this machine only? */
bool conf_is_loopback(const char *host);

#endif

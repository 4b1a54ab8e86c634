/* Three nodes as three sites: processes that are started, killed and started again. */
#ifndef DEMO_CLUSTER_H
#define DEMO_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CLUSTER_SITES         3
#define CLUSTER_ADDRESS_BYTES 64
#define CLUSTER_FOLDER_BYTES  400
#define CLUSTER_PATH_BYTES    512 /* a folder, and a name in it */

struct site {
    char name[16];                       /* the site, also its Kafka rack: a, b, c */
    char address[CLUSTER_ADDRESS_BYTES]; /* where clients connect */
    char peer[CLUSTER_ADDRESS_BYTES];    /* where the other sites connect */
    pid_t pid;                           /* 0 while it does not run */
    int end_status;                      /* the signal or status with which it ended by itself */
};

struct cluster {
    struct site sites[CLUSTER_SITES];
    const char *binary;                /* borrowed: trilogd; NULL when the nodes are not ours */
    char folder[CLUSTER_FOLDER_BYTES]; /* temporary: settings, data and logs; "" for none */
    const char *kill_command;          /* for nodes that are not ours */
    const char *start_command;         /* as above */
};

/* Chooses addresses and writes settings for three nodes of our own; starts nothing.
 * Where DEMO_NODES is set ("a=HOST:PORT b=… c=…") the nodes are already there, run by others:
 * then DEMO_KILL and DEMO_START are shell commands that get a node's number, from 1.
 * On failure prints a sentence and returns -1. */
int cluster_init(struct cluster *cluster, const char *binary);

/* Starts a site's node; returns 0 once the process runs, -1 after a sentence. */
int cluster_start(struct cluster *cluster, int site);

/* kill -9, and waits until the process is gone. */
int cluster_kill(struct cluster *cluster, int site);

/* The site whose process ended without being killed by us, or -1. */
int cluster_find_ended(struct cluster *cluster);

/* Kills what runs; removes the folder unless it is to be kept for a person to look at. */
void cluster_close(struct cluster *cluster, bool is_folder_kept);

/* All sites' addresses for a client, separated by commas. */
void cluster_addresses(const struct cluster *cluster, char *list, size_t size);

#endif

/* Consumer groups at work, by the bare protocol: what the members cost is little and the same for
 * every system.
 *
 *   group_load commit brokers=LIST topic=NAME partitions=N groups=N seconds=N [rate=N]
 *   group_load leave  brokers=LIST topic=NAME partitions=N members=N [interval=MS] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modes.h"
#include "wire.h"

static void read_option(struct options *o, char *argument)
{
    char *value = strchr(argument, '=');
    if (value == NULL)
        wire_fail("not key=value: %s", argument);
    *value++ = '\0';
    const struct {
        const char *name;
        long *number;
        const char **text;
    } known[] = {
        {"brokers", NULL, &o->brokers},
        {"topic", NULL, &o->topic},
        {"groups", &o->groups, NULL},
        {"members", &o->members, NULL},
        {"partitions", &o->partitions, NULL},
        {"seconds", &o->seconds, NULL},
        {"rate", &o->rate, NULL},
        {"interval", &o->interval_ms, NULL},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, argument) != 0)
            continue;
        if (known[i].text != NULL)
            *known[i].text = value;
        else
            *known[i].number = strtol(value, NULL, 10);
        return;
    }
    wire_fail("unknown option: %s", argument);
}

int main(int argc, char **argv)
{
    struct options o = {
        .groups = 1000, .members = 1000, .partitions = 10, .seconds = 10, .interval_ms = 3000};
    for (int i = 2; i < argc; i++)
        read_option(&o, argv[i]);
    if (argc < 2 || o.brokers == NULL || o.topic == NULL || o.groups < 1 || o.members < 2 ||
        o.partitions < 1 || o.seconds < 1 || o.interval_ms < 1)
        wire_fail("mode, brokers=, topic= and counts above 0 are needed");
    o.mode = argv[1];
    if (strcmp(o.mode, "commit") == 0)
        mode_commit(&o);
    else if (strcmp(o.mode, "leave") == 0)
        mode_leave(&o);
    else
        wire_fail("unknown mode: %s", o.mode);
    return 0;
}

/* Every command of `trilog`. */
#include "command.h"

const struct command commands[] = {
    {"cluster", "status", "", 0, 0, 0, "says which cluster it is and whether it is whole", "",
     "trilog cluster status --admin 10.1.0.1:9600", cluster_status},
    {"node", "list", "", 0, 0, 0, "lists the nodes, their states and their raft groups",
     "VOTES is in how many raft groups the node votes, of how many it is to; LEVEL in how many of\n"
     "them it could take over at once.",
     "trilog node list -o json", node_list},
    {"node", "add", "NODE_ID", 1, 1,
     OPTIONS_CHANGE | OPTIONS_WAIT | OPTION_BIT(OPTION_SITE) | OPTION_BIT(OPTION_PEER),
     "adds a node to a site, and gives it its share of the replicas",
     "Start the new trilogd with an empty data folder before or after. Its replicas enter without "
     "a\n"
     "vote, catch up, and then take the places that are to be theirs, one raft group at a time.\n"
     "Ctrl-C ends the waiting, not the change.",
     "trilog node add 4 --site a --peer 10.1.0.2:9093", node_add},
    {"node", "remove", "NODE_ID", 1, 1, OPTIONS_CHANGE | OPTIONS_WAIT,
     "moves a node's replicas to others of its site, and then lets it go",
     "A node that is gone is refused when it comes back. Refused itself when nobody in the site "
     "is\n"
     "left to take the replicas.",
     "trilog node remove 4 --plan", node_remove},
    {"node", "replace", "NODE_ID", 1, 1,
     OPTIONS_CHANGE | OPTIONS_WAIT | OPTION_BIT(OPTION_BY) | OPTION_BIT(OPTION_PEER),
     "puts a new node in the place of one that goes", "",
     "trilog node replace 3 --by 5 --peer 10.3.0.9:9093", node_replace},
    {"group", "list", "", 0, 0, 0, "lists the raft groups, who leads them, and who lags",
     "How far replicas lag is known to a group's leader only: give --admin of every node to see "
     "it\n"
     "for all groups.",
     "trilog group list --admin 10.1.0.1:9600 --admin 10.2.0.1:9600", group_list},
    {"topic", "move", "[TOPIC [PARTITION]]", 0, 2,
     OPTIONS_CHANGE | OPTIONS_WAIT | OPTION_BIT(OPTION_GROUP),
     "moves partitions to other raft groups, and so to other leaders",
     "Without TOPIC it evens out all partitions over the raft groups; without --group, those of\n"
     "the topic; a single PARTITION wants --group. The groups must have the same nodes: then\n"
     "nothing is copied. Clients wait for some milliseconds.",
     "trilog topic move orders 3 --group 7", topic_move},
    {"topic", "moves", "", 0, 0, 0, "lists the partitions that are on their way", "",
     "trilog topic moves", topic_moves},
    {"disk", "status", "", 0, 0, 0, "says how the disks of the nodes that are named are",
     "Each node is asked about its own disk: give --admin of every node. DAMAGED is how many "
     "segments\n"
     "are damaged now; WHOLE, whether all its replicas vote and are level since its last start.",
     "trilog disk status --admin 10.1.0.1:9600", disk_status},
    {"disk", "scrub", "", 0, 0, OPTIONS_WAIT | OPTION_BIT(OPTION_PLAN),
     "reads all segments of the nodes that are named, and compares them with what they should be",
     "A pass begins, or the one that runs is hurried, at the rate of the setting\n"
     "scrub_bytes_per_second. What is damaged is mended from other replicas. It changes nothing "
     "else,\n"
     "so it does not ask. With --plan it only says how far the scrubbers are.",
     "trilog disk scrub --admin 10.1.0.1:9600 --no-wait", disk_scrub},
    {NULL, NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL},
};

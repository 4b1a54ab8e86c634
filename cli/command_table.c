/* Every command of `trilog`. */
#include "command.h"

const struct command commands[] = {
    {"cluster", "status", "", 0, 0, 0, "says which cluster it is and whether it is whole", "",
     "trilog cluster status --admin 10.1.0.1:9600", cluster_status},
    {"cluster", "health", "", 0, 0, OPTION_BIT(OPTION_WAIT),
     "says whether the cluster is whole, and what stands against it",
     "Whole: all nodes are heard, all raft groups have leaders, all voters are level, all disks "
     "do\n"
     "well; then synchronous topics can lose any one site. Exit status 0 when it is, 1 when not.\n"
     "With --wait it waits until it is.",
     "trilog cluster health --wait 300", cluster_health},
    {"site", "list", "", 0, 0, 0, "lists the datacenters, their nodes, and what they carry",
     "LEADS is how many raft groups are led there, TO LEAD how many are to be; REPLICAS how many\n"
     "replicas vote there, LEVEL how many of them could take over at once. STANDS is what the\n"
     "cluster has agreed: whole; cut, off from another site; left, as nobody reaches it; and "
     "whether\n"
     "it is drained. WEIGHT is its share of the topics beside the others'.",
     "trilog site list", site_list},
    {"site", "drain", "SITE", 1, 1, OPTIONS_CHANGE | OPTIONS_WAIT,
     "takes a site out of use: leaders and applications of libtrilog go elsewhere",
     "No client sees an error: a leader goes when its target has all that it has. Stock clients "
     "stay\n"
     "at the site's routers until these are told to end (SIGTERM). It stands until the site is\n"
     "undrained; the last site in use is refused. Ctrl-C ends the waiting, not the drain.",
     "trilog site drain b", site_drain},
    {"site", "undrain", "SITE", 1, 1, OPTIONS_CHANGE, "puts a drained site to use again",
     "Leaders and applications come back when the site was quiet for half a minute.",
     "trilog site undrain b", site_undrain},
    {"site", "weight", "SITE WEIGHT", 2, 2, OPTIONS_CHANGE,
     "says how much a site is to carry beside the others",
     "Where an application has no site of its own, or lost it, and a topic no home site, a site "
     "of\n"
     "weight 3 is the first for three times as many topics as one of weight 1. All weigh 1 until\n"
     "somebody says otherwise; 100 is the most.",
     "trilog site weight b 3", site_weight},
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
    {"raft", "list", "", 0, 0, 0, "lists the raft groups, who leads them, and who lags",
     "How far replicas lag is known to a group's leader only: give --admin of every node to see "
     "it\n"
     "for all groups.",
     "trilog raft list --admin 10.1.0.1:9600 --admin 10.2.0.1:9600", raft_list},
    {"what-if", "", "", 0, 0, OPTION_BIT(OPTION_LOSE), "says what the loss of sites would cost now",
     "Nothing is done. Records that exist only there: 0 of synchronous topics as long as fewer "
     "than\n"
     "a majority of their voters is lost. A member of a consumer group stands in the site that "
     "its\n"
     "client.rack names (subscriptions from version 3 on), else where a node has its address.",
     "trilog what-if --lose b --lose c", what_if_show},
    {"lag", "", "", 0, 0, OPTION_BIT(OPTION_WATCH),
     "says how far replicas are behind, by site, by topic and by raft group",
     "RECORDS counts offsets of commits, too. Give --admin of every node: each tells the topics "
     "of\n"
     "the groups that it leads, and what it heard last of groups that have no leader. HAS ALL "
     "UNTIL:\n"
     "what was acknowledged before that time (by the lost leader's clock) is there.",
     "trilog lag --admin 10.1.0.1:9600 --admin 10.2.0.1:9600 --watch", lag_show},
    {"group", "list", "", 0, 0, 0, "lists the consumer groups", "", "trilog group list",
     group_list},
    {"group", "describe", "GROUP", 1, 1, 0,
     "says how far a consumer group has read, and who its members are",
     "COMMITTED is from the group's coordinator, END from each partition's leader: both make sure\n"
     "that they still are that. LAG is the records between them.",
     "trilog group describe billing", group_describe},
    {"group", "reset", "GROUP [TOPIC [PARTITION]]", 1, 3,
     OPTIONS_CHANGE | OPTION_BIT(OPTION_OFFSET), "sets where a consumer group goes on",
     "The group must have no members. Without TOPIC: all partitions that it has committed. +N and\n"
     "-N count from what is committed; a time (2026-03-01T12:30:00, UTC) is the first record at "
     "or\n"
     "after it. What lies outside a partition is brought to its nearer end. The group's history\n"
     "says who did it.",
     "trilog group reset billing orders --offset earliest --plan", group_reset},
    {"group", "history", "GROUP [TOPIC [PARTITION]]", 1, 3, 0,
     "lists what moved a consumer group's offsets: when, who, from where, from which to which",
     "commit: members went forward, in one line while it is the same one. rewind: a member went "
     "back.\n"
     "outside: a tool, or a program that is no member. refused: a member was to go below what "
     "others\n"
     "had stored, and that stayed. How long it is kept: the setting commit_history_ms.",
     "trilog group history billing orders 3", group_history},
    {"group", "policy", "GROUP [guard|deny|allow|default]", 1, 2, OPTIONS_CHANGE,
     "says or sets what a commit to a consumer group may lower",
     "guard: what the member itself has committed; anything lower leaves the higher offset, and "
     "is\n"
     "told success. deny: nothing, it is told POLICY_VIOLATION. allow: anything, as in Kafka.\n"
     "default: what the nodes' setting commit_policy says.",
     "trilog group policy billing deny", group_policy},
    {"topic", "list", "", 0, 0, 0, "lists the topics", "", "trilog topic list", topic_list},
    {"topic", "describe", "TOPIC", 1, 1, 0,
     "says where a topic's partitions are, how far they go, and what is set for it",
     "Offsets are those of the partitions' leaders; ? where one does not answer.",
     "trilog topic describe orders", topic_describe},
    {"topic", "create", "TOPIC [CONFIG=VALUE]...", 1, OPERANDS_MAX,
     OPTIONS_CHANGE | OPTION_BIT(OPTION_PARTITIONS) | OPTION_BIT(OPTION_REPLICATION_FACTOR),
     "creates a topic", "It is done when its partitions can be written to.",
     "trilog topic create orders --partitions 12 retention.ms=86400000", topic_create},
    {"topic", "delete", "TOPIC", 1, 1, OPTIONS_CHANGE, "deletes a topic with all its records", "",
     "trilog topic delete orders --plan", topic_delete},
    {"topic", "config", "TOPIC [CONFIG=VALUE]...", 1, OPERANDS_MAX, OPTIONS_CHANGE,
     "shows a topic's configs, or changes some of them",
     "CONFIG= without a value lets the topic inherit it again. All that one command names takes\n"
     "effect together.",
     "trilog topic config orders retention.ms=604800000 cleanup.policy=", topic_config},
    {"topic", "move", "[TOPIC [PARTITION]]", 0, 2,
     OPTIONS_CHANGE | OPTIONS_WAIT | OPTION_BIT(OPTION_GROUP),
     "moves partitions to other raft groups, and so to other leaders",
     "Without TOPIC it evens out all partitions over the raft groups; without --group, those of\n"
     "the topic; a single PARTITION wants --group. The groups must have the same nodes: then\n"
     "nothing is copied. Clients wait for some milliseconds.",
     "trilog topic move orders 3 --group 7", topic_move},
    {"topic", "moves", "", 0, 0, 0, "lists the partitions that are on their way", "",
     "trilog topic moves", topic_moves},
    {"recover", "", "", 0, 0,
     OPTIONS_WAIT | OPTION_BIT(OPTION_PLAN) | OPTION_BIT(OPTION_SURVIVOR) |
         OPTION_BIT(OPTION_LOST) | OPTION_BIT(OPTION_SITES_OFF),
     "goes on with one datacenter when a majority is lost for good",
     "Name each node of that datacenter by --admin. First of all look at --plan: what is known to "
     "be\n"
     "lost, what may be lost since when, and whose offsets lie beyond. Records that are lost are "
     "not\n"
     "coming back by themselves: see `docs/operations.md`. It never happens without this command.",
     "trilog recover --survivor c --admin 10.3.0.1:9600 --plan", recover_run},
    {"salvage", "", "[RECOVERY]", 0, 1, OPTION_BIT(OPTION_WAIT),
     "brings what a forced recovery has lost, and returned nodes still have, into topics of its "
     "own",
     "Name each node that has come back by --admin; they are asked one after the other. The lost\n"
     "records of a topic go to TOPIC.salvage.EPOCH, with their old offset, time and producer in\n"
     "headers. It may be called again: only what is not there yet is added. RECOVERY is a folder "
     "of\n"
     "`aside` in the nodes' data folders, where there are several.",
     "trilog salvage --admin 10.1.0.1:9600 --admin 10.2.0.1:9600", salvage_run},
    {"switch", "", "", 0, 0,
     OPTIONS_CHANGE | OPTIONS_WAIT | OPTION_BIT(OPTION_FROM) | OPTION_BIT(OPTION_TO) |
         OPTION_BIT(OPTION_MAX_LAG) | OPTION_BIT(OPTION_DEADLINE) | OPTION_BIT(OPTION_BACK) |
         OPTION_BIT(OPTION_HISTORY),
     "sends all leaders of a site elsewhere, and takes that back",
     "Without --from, --back or --history it says whether a switch stands. Nothing is lost, and\n"
     "nobody reads again: a leader goes when its target has all that it has. A switch stands "
     "until\n"
     "--back. The word is group 0's: the command, or the node that was asked, may die.",
     "trilog switch --from b --to c --plan", switch_run},
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
    {"pages", "write", "FOLDER", 1, 1, 0,
     "writes the manual pages, and the completions for bash and zsh",
     "They are made of the same table as the commands. `make install` puts them where they are\n"
     "looked for. No node is asked.",
     "trilog pages write /tmp/pages", pages_write},
    {"spool", "list", "", 0, 0, OPTION_BIT(OPTION_CLIENT_CONFIG),
     "lists what an application's libtrilog keeps on disk",
     "Records that no site took yet (spool), and those that the cluster refused (failed, given "
     "up);\n"
     "and, under the name of their log, those that a consumer failed at. While the application\n"
     "runs it has them for itself, and this is refused; exit status 1 too when only consumers "
     "run,\n"
     "whose logs are left out.",
     "trilog spool list -F /etc/my-application/client.yaml", spool_list},
    {"spool", "retry", "", 0, 0, OPTION_BIT(OPTION_CLIENT_CONFIG) | OPTION_BIT(OPTION_WAIT),
     "sends that, in the place of an application that has ended",
     "In order of keys, and what was refused once more, also what was given up. Waits until "
     "nothing\n"
     "is left; exit status 3 when something is. What a consumer failed at is due at once, as if "
     "it\n"
     "had never failed, when the application consumes again.",
     "trilog spool retry -F /etc/my-application/client.yaml --wait 60", spool_retry},
    {"spool", "purge", "", 0, 0, OPTION_BIT(OPTION_CLIENT_CONFIG) | OPTIONS_CHANGE,
     "throws that away", "It is gone for good: nobody has it any more.",
     "trilog spool purge -F /etc/my-application/client.yaml", spool_purge},
    {"produce", "", "", 0, 0,
     OPTION_BIT(OPTION_CLIENT_CONFIG) | OPTION_BIT(OPTION_BOOTSTRAP) | OPTION_BIT(OPTION_TOPIC) |
         OPTION_BIT(OPTION_KEY) | OPTION_BIT(OPTION_KEY_DELIMITER) | OPTION_BIT(OPTION_HEADER) |
         OPTION_BIT(OPTION_COUNT_MAX) | OPTION_BIT(OPTION_LINES_OF) | OPTION_BIT(OPTION_QUIET),
     "sends lines as records, by libtrilog",
     "Letters are kcat's where they mean the same. Records with one key keep their order; each is\n"
     "in the log once, whatever site fails meanwhile. Without --client-config or --bootstrap it\n"
     "uses what applications on this machine use (TRILOG_CLIENT_CONFIG, /etc/trilog/client.yaml).\n"
     "Exit status 0 when all are acknowledged; 3 when some are in the spool or the failure log, "
     "or\n"
     "not known, or only some failed; 1 when none was taken; 4 when no node answered.",
     "trilog produce -t orders -K : < lines", produce_run},
    {"consume", "", "[TOPIC]...", 0, OPERANDS_MAX,
     OPTION_BIT(OPTION_CLIENT_CONFIG) | OPTION_BIT(OPTION_BOOTSTRAP) | OPTION_BIT(OPTION_TOPIC) |
         OPTION_BIT(OPTION_KEY_DELIMITER) | OPTION_BIT(OPTION_COUNT_MAX) |
         OPTION_BIT(OPTION_QUIET) | OPTION_BIT(OPTION_CONSUMER_GROUP) |
         OPTION_BIT(OPTION_BROADCAST) | OPTION_BIT(OPTION_START) | OPTION_BIT(OPTION_EXIT) |
         OPTION_BIT(OPTION_IDLE) | OPTION_BIT(OPTION_FORMAT) | OPTION_BIT(OPTION_DELIMITER) |
         OPTION_BIT(OPTION_NULLS) | OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_UNBUFFERED),
     "writes records of topics to standard output, by libtrilog",
     "Letters and the format are kcat's where they mean the same. Without --consumer-group it "
     "looks\n"
     "on: from the beginning or from --start, and leaves nothing behind. In a group it goes on\n"
     "where the group stands, or from --start where that is nowhere, and is done with a record "
     "once\n"
     "that is written: what could not be written comes again. With a failure_directory in the\n"
     "settings it is a member in this too: what the group's consumer on this machine failed at "
     "and\n"
     "has left there comes when it is due, and is done with once written. Headers of libtrilog "
     "itself "
     "(trilog-id,\n"
     "trilog-expires) are not shown; what has expired, or is there twice, is not written.\n"
     "FORMAT: %s value, %S its size (-1: none), %R that as four bytes, %k key, %K its size,\n"
     "%T timestamp (ms), %h headers, %t topic, %p partition, %o offset, %% a percent sign,\n"
     "\\n \\r \\t \\0 \\\\ \\xHH. JSON is kcat's, without tstype and broker; what is no UTF-8 is\n"
     "{\"base64\":...}. Settings as for produce. Exit status 0 at the end that was asked for; 3 "
     "when "
     "it\n"
     "was ended before; 1 when the output could not be written or the topic is not there; 4 when "
     "no\n"
     "node answered for a minute, or for --idle.",
     "trilog consume -t orders -o -10 -e -f '%t [%p] at %o: %k=%s\\n'", consume_run},
    {NULL, NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL},
};

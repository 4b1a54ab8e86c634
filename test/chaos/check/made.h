/* Histories in memory, and what the checker says of them. */
#ifndef TEST_MADE_H
#define TEST_MADE_H

#include "generate.h"
#include "source.h"
#include "tape.h"
#include "verdict.h"

/* The files of a history. */
struct made {
    char *bytes[GENERATE_FILES];
    size_t sizes[GENERATE_FILES];
};

struct made made_by(const struct generate_options *options);
/* The lines of a tape. */
struct made made_of(const struct tape *tape);
void made_close(struct made *made);

/* Judges the files; the history stays open. Fails the test when a line is malformed. */
void made_judge(const struct made *made, struct history *h, struct verdict *v);
void made_judged_close(struct history *h, struct verdict *v);

/* The same of lines that a test writes down, in one file, with ' for ". Shown: up to 5 of each
 * property. */
void text_judge(const char *lines, struct history *h, struct verdict *v);
/* How many violations of one property the lines show; fails if there are any of another. */
uint64_t violations_of(const char *lines, enum property property);

/* Reads such lines, and settles them. */
void text_take(const char *lines, struct history *h);
/* Why such lines are refused; fails when they are not. */
const char *text_refusal(const char *lines);

/* Lines of one process each; ' for ". */
#define SEND(at, process, id, partition, value)                                                    \
    "{'at':" #at ",'type':'send','process':'" process "','site':'a','id':" #id                     \
    ",'topic':'t','partition':" #partition ",'value':'" value "','size':9,'crc':'a1'}\n"
#define ACK(at, process, id, partition, offset)                                                    \
    "{'at':" #at ",'type':'send','process':'" process "','site':'a','id':" #id                     \
    ",'topic':'t','partition':" #partition ",'offset':" #offset ",'outcome':'ok'}\n"
#define OUTCOME(at, process, id, partition, outcome)                                               \
    "{'at':" #at ",'type':'send','process':'" process "','site':'a','id':" #id                     \
    ",'topic':'t','partition':" #partition ",'outcome':'" outcome "'}\n"
#define READ(at, process, partition, offset, value, more)                                          \
    "{'at':" #at ",'type':'read','process':'" process "','site':'b','id':1,'topic':'t'"            \
    ",'partition':" #partition ",'offset':" #offset ",'value':'" value                             \
    "','size':9,'crc':'a1'" more "}\n"
#define FINAL ",'stage':'final'"
#define READ_END(at, process, partition, offset, more)                                             \
    "{'at':" #at ",'type':'read-end','process':'" process                                          \
    "','site':'b','topic':'t','partition':" #partition ",'offset':" #offset more "}\n"
#define PROCESS(process, idempotent)                                                               \
    "{'at':0,'type':'process','process':'" process                                                 \
    "','site':'a','role':'producer','idempotent':" #idempotent "}\n"
#define COMMIT(at, id, offset)                                                                     \
    "{'at':" #at ",'type':'commit','process':'m" #id "','site':'a','id':1,'group':'g','topic':'t'" \
    ",'partition':0,'offset':" #offset "}\n"
#define COMMITTED(at, id, offset, outcome)                                                         \
    "{'at':" #at ",'type':'commit','process':'m" #id "','site':'a','id':1,'group':'g','topic':'t'" \
    ",'partition':0,'offset':" #offset ",'outcome':'" outcome "'}\n"
#define FETCH(at, id)                                                                              \
    "{'at':" #at ",'type':'offset-fetch','process':'f" #id                                         \
    "','site':'a','id':1,'group':'g','topic':'t','partition':0}\n"
#define FETCHED(at, id, offset)                                                                    \
    "{'at':" #at ",'type':'offset-fetch','process':'f" #id                                         \
    "','site':'a','id':1,'group':'g','topic':'t','partition':0,'offset':" #offset                  \
    ",'outcome':'ok'}\n"
#define ASSIGN(at, process, offset)                                                                \
    "{'at':" #at ",'type':'assign','process':'" process                                            \
    "','site':'b','group':'g','topic':'t','partition':0,'offset':" #offset "}\n"
#define END "{'at':99999999,'type':'stage','name':'end'}\n"

#endif

/* What librdkafka knows of a message's fate, as a test wants it (-Wl,--wrap): which of its tries
 * were lost on the way, its simulated brokers can't say. */
#ifndef TEST_CLIENT_FATE_SEAM_H
#define TEST_CLIENT_FATE_SEAM_H

#include <stdbool.h>

/* From now on each message that is not acknowledged may be in the log. */
void fate_seam_set_unknown(bool is_unknown);

#endif

/* Memory that runs out at one moment: what the library asks for goes by here (-Wl,--wrap). */
#ifndef TEST_CLIENT_MEMORY_SEAM_H
#define TEST_CLIENT_MEMORY_SEAM_H

#include <stdbool.h>

/* The nth request from now on, of any thread, gets nothing. */
void memory_seam_fail(int nth);
/* No request fails any more. Was it met? */
bool memory_seam_end(void);

#endif

/*
 * The address sanitizer looks for leaks at the end of each process: of every test, and of
 * Criterion's runner, which starts them. The runner has nothing of ours, but forgets a timeout
 * of its own where many tests run at once (boxfort of Criterion 2.4.1): there nobody looks.
 * tools/run-unit counts what is found in tests.
 */
#include <sanitizer/lsan_interface.h>
#include <stdlib.h>

/* Criterion tells a test's process what to run by this variable; its runner has none. */
int __lsan_is_turned_off(void)
{
    return getenv("BXFI_MAP") == NULL;
}

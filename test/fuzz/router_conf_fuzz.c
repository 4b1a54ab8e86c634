/* Any text as a router's settings file: refused with a note, or accepted, printed, and accepted
 * again. */
#include <assert.h>
#include <stdlib.h>

#include "conf/router_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_and_read_again(const struct router_settings *settings)
{
    static struct router_settings again;
    char *text = NULL;
    size_t size = 0;
    FILE *into = open_memstream(&text, &size);
    assert(into != NULL);
    int err = router_conf_print(settings, into);
    assert(err == 0);
    fclose(into);
    err = router_conf_parse(bytes_of(text, size), "printed", &again, NULL);
    assert(err == 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct router_settings settings;
    struct err_note note = {0};
    int err = router_conf_parse(bytes_of(data, size), "fuzz", &settings, &note);
    if (err == 0)
        print_and_read_again(&settings);
    else
        assert(note.text[0] != '\0'); /* no refusal without a reason */
    return 0;
}

/* Any bytes as a history: refused with its place, or taken, judged and reported. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "report.h"
#include "source.h"

/* Each line may ask for pages of memory; a few dozen show all there is to see. */
#define INPUT_SIZE_MAX 4000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge_and_report(struct history *h)
{
    struct verdict v;
    struct figures f;
    char *text = NULL;
    size_t text_size = 0;
    FILE *into = open_memstream(&text, &text_size);
    assert(into != NULL);
    history_settle(h);
    verdict_init(&v, h, 3);
    judge(&v);
    figures_make(&f, h, 0);
    report_json(into, &v, &f);
    report_text(into, &v, &f);
    fclose(into);
    free(text);
    figures_close(&f);
    verdict_close(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct history h;
    struct failure failure = {""};
    if (size > INPUT_SIZE_MAX)
        return 0;
    history_init(&h);
    if (source_take_bytes(&h, "fuzz", (const char *)data, size, &failure) == 0)
        judge_and_report(&h);
    else
        assert(failure.text[0] != '\0'); /* no refusal without a reason */
    history_close(&h);
    return 0;
}

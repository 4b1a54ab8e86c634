/* Any bytes as the file that says what a forced recovery makes of a node's replicas: taken or
 * refused, as they stand and with their checksum made right; what is taken is what a writer of it
 * would have written. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../cluster/start/recovery_order.h"
#include "base/crc32c.h"

#define VERSION_AT     8
#define HEAD_SIZE      16 /* up to the rows */
#define FILE_BYTES_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the version before, the same is written in the words of this one. */
static void check(struct bytes file)
{
    static struct recovery_order order;
    uint8_t *again;
    size_t size;
    if (recovery_order_decode(file, &order) != 0)
        return;
    assert(order.row_count > 0 && order.row_count <= METADATA_GROUPS_MAX);
    for (unsigned i = 0; i < order.row_count; i++) /* each group once */
        for (unsigned j = 0; j < i; j++)
            assert(order.rows[i].group_id != order.rows[j].group_id);
    assert(recovery_order_encode(&order, &again, &size) == 0);
    struct bytes written = bytes_of(again, size);
    if (bytes_get_le16(file.data + VERSION_AT) == bytes_get_le16(again + VERSION_AT))
        assert(bytes_is_equal(file, written));
    else
        check(written);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t mended[FILE_BYTES_MAX];
    check(bytes_of(data, size));
    if (size < HEAD_SIZE + 4 || size > sizeof mended)
        return 0;
    memcpy(mended, data, size);
    bytes_put_le32(mended + size - 4, crc32c(0, bytes_of(mended, size - 4)));
    check(bytes_of(mended, size));
    return 0;
}

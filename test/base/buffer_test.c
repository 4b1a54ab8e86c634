#include "base/buffer.h"

#include <criterion/criterion.h>
#include <pthread.h>

Test(buffer, lives_until_its_last_reference_and_counts_its_bytes)
{
    size_t before = buffer_total_bytes();
    struct buffer *b = buffer_create(1000);
    cr_assert_eq(b->capacity, 1000);
    cr_assert_eq(buffer_total_bytes(), before + 1000);
    memset(b->data, 7, b->capacity);
    cr_assert_eq(buffer_ref(b), b);
    buffer_unref(b);
    cr_assert_eq(buffer_total_bytes(), before + 1000);
    cr_assert_eq(b->data[999], 7);
    buffer_unref(b);
    cr_assert_eq(buffer_total_bytes(), before);
}

Test(buffer, of_an_impossible_size_is_refused_and_not_counted)
{
    size_t before = buffer_total_bytes();
    cr_assert_null(buffer_create(SIZE_MAX));
    cr_assert_eq(buffer_total_bytes(), before);
}

Test(buffer, of_nothing_may_be_claimed_and_given_back)
{
    cr_assert_null(buffer_ref(NULL));
    buffer_unref(NULL);
}

Test(buffer, is_held_whole_by_a_slice_of_it)
{
    size_t before = buffer_total_bytes();
    struct buffer *b = buffer_create(100);
    struct slice s = {.owner = b, .bytes = bytes_of(b->data + 10, 5)};
    struct slice copy = slice_ref(s);
    slice_unref(&s);
    cr_assert_null(s.owner);
    cr_assert_eq(s.bytes.size, 0);
    cr_assert_eq(buffer_total_bytes(), before + 100);
    slice_unref(&copy);
    cr_assert_eq(buffer_total_bytes(), before);
}

static void *claim_and_release(void *data)
{
    for (int i = 0; i < 10000; i++)
        buffer_unref(buffer_ref(data));
    buffer_unref(data);
    return NULL;
}

Test(buffer, may_be_claimed_and_released_on_any_thread)
{
    size_t before = buffer_total_bytes();
    struct buffer *b = buffer_create(64);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, claim_and_release, buffer_ref(b)), 0);
    buffer_unref(b); /* whoever is last frees it */
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(buffer_total_bytes(), before);
}

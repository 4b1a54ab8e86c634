/* A snapshot carried from one store to another, piece by piece, without a network. */
#ifndef LOG_SHIPPING_H
#define LOG_SHIPPING_H

#include "store_story.h"

struct piece_result {
    bool is_done;
    int status;
};

static inline void on_piece_read(struct log_pin_read *req, int status)
{
    struct piece_result *result = req->data;
    *result = (struct piece_result){.is_done = true, .status = status};
}

static inline void on_piece_written(struct log_install_write *req, int status)
{
    struct piece_result *result = req->data;
    *result = (struct piece_result){.is_done = true, .status = status};
}

static inline void on_committed(struct log_install_commit *req, int status)
{
    struct piece_result *result = req->data;
    *result = (struct piece_result){.is_done = true, .status = status};
}

/* Carries pieces over; stops after `piece_max` of them. Returns a status of the receiver. */
static inline int carry(struct stage *from, struct log_pin *pin, struct stage *to,
                        struct log_install *install, unsigned piece_max, unsigned *carried)
{
    unsigned file;
    uint64_t position;
    uint32_t size_max;
    *carried = 0;
    while (*carried < piece_max && log_install_next(install, &file, &position, &size_max)) {
        struct piece_result result = {0};
        struct log_pin_read read = {
            .data = &result, .pin = pin, .file = file, .position = position, .size_max = size_max};
        bool is_own = log_install_is_own(install, file, position);
        if (!is_own) {
            log_pin_read(from->store, &read, on_piece_read);
            fake_work_run_all(&from->work, NULL);
            cr_assert(result.is_done && result.status == 0);
        }
        result = (struct piece_result){0};
        struct log_install_write write = {.data = &result,
                                          .install = install,
                                          .file = file,
                                          .position = position,
                                          .piece = read.piece,
                                          .is_own = is_own};
        log_install_write(&write, on_piece_written);
        slice_unref(&read.piece);
        fake_work_run_all(&to->work, NULL);
        cr_assert(result.is_done);
        if (result.status != 0)
            return result.status;
        *carried += !is_own;
    }
    return 0;
}

static inline int commit_as(struct stage *to, struct log_install *install, bool may_await)
{
    struct piece_result result = {0};
    struct log_install_commit req = {.data = &result, .install = install, .may_await = may_await};
    log_install_commit(&req, on_committed);
    cr_assert_not(result.is_done);
    fake_work_run_all(&to->work, NULL);
    cr_assert(result.is_done);
    return result.status;
}

static inline int commit(struct stage *to, struct log_install *install)
{
    return commit_as(to, install, false);
}

/* The whole way; a negative status is the receiver's disk. */
static inline int ship(struct stage *from, struct stage *to, unsigned *carried)
{
    struct log_pin *pin;
    struct log_install *install;
    cr_assert_eq(log_store_pin(from->store, &pin), 0);
    cr_assert_eq(log_store_install_begin(to->store, log_pin_contents(pin), &install), 0);
    int status = carry(from, pin, to, install, UINT32_MAX, carried);
    if (status == 0) {
        cr_assert(log_install_is_complete(install));
        status = commit(to, install);
    }
    log_store_unpin(from->store, pin);
    return status;
}

#endif

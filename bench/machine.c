/* What this machine does by itself, beside which the other figures are to be read.
 *
 *   machine FOLDER     memcpy of 64 MiB, and fdatasync after 4 KiB and 1 MiB in a file there
 *
 * The file is written before, as a WAL's is, so that no figure contains the allocation of
 * blocks. Medians. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MIB    ((size_t)1 << 20)
#define ROUNDS 201

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

static double measure_memcpy(char *from, char *to, size_t size)
{
    double seconds[15];
    for (int i = 0; i < 15; i++) {
        double since = now_s();
        memcpy(to, from, size);
        __asm__ volatile("" : : "r"(to) : "memory"); /* the copy has a reader */
        seconds[i] = now_s() - since;
    }
    return (double)size / median(seconds, 15) / 1e9;
}

static double measure_fdatasync(int file, const char *data, size_t size)
{
    static double seconds[ROUNDS];
    off_t position = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double since = now_s();
        if (pwrite(file, data, size, position) != (ssize_t)size || fdatasync(file) != 0)
            return -1;
        seconds[i] = now_s() - since;
        position = (position + (off_t)size) % (off_t)(64 * MIB);
    }
    return median(seconds, ROUNDS) * 1e6;
}

int main(int argc, char **argv)
{
    char path[512];
    size_t size = 64 * MIB;
    char *from = malloc(size), *to = malloc(size);
    if (argc != 2 || from == NULL || to == NULL)
        return 2;
    memset(from, 1, size);
    memset(to, 2, size);
    snprintf(path, sizeof path, "%s/machine-XXXXXX", argv[1]);
    int file = mkstemp(path);
    if (file < 0 || write(file, from, size) != (ssize_t)size || fsync(file) != 0) {
        perror(path);
        return 1;
    }
    unlink(path);
    printf("memcpy_gb_per_s=%.1f fdatasync_4k_us=%.0f fdatasync_1m_us=%.0f\n",
           measure_memcpy(from, to, size), measure_fdatasync(file, from, 4096),
           measure_fdatasync(file, from, MIB));
    close(file);
    return 0;
}

/* Names of the simulated disk.
 *
 * Each directory has its names twice: as programs see them and as the device has them. What
 * lies between is a list of changes, oldest first. A sync of a directory applies the changes
 * that touch it; a crash applies any subset, then programs see what the device has. A change is
 * one move of one node, so a rename is lost or kept as a whole, as journalling file systems
 * promise; a node's own moves keep their order, or it would be in two places. The order among
 * different nodes is not kept, because no program may rely on it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fake/fake_disk_parts.h"

struct entry *entries_find(const struct entries *e, const char *name)
{
    for (size_t i = 0; i < e->count; i++)
        if (strcmp(e->items[i].name, name) == 0)
            return &e->items[i];
    return NULL;
}

static void entries_remove(struct node_space *space, struct entries *e, const char *name)
{
    struct entry *found = entries_find(e, name);
    if (found == NULL)
        return;
    free(found->name);
    struct node *node = found->node;
    *found = e->items[--e->count];
    node_unref(space, node);
}

static void entries_set(struct node_space *space, struct entries *e, const char *name,
                        struct node *node)
{
    node_ref(node); /* first, for it may be there already */
    entries_remove(space, e, name);
    e->items = must_have(realloc(e->items, (e->count + 1) * sizeof *e->items));
    e->items[e->count++] = (struct entry){.name = must_have(strdup(name)), .node = node};
}

static void entries_copy(struct node_space *space, struct entries *to, const struct entries *from)
{
    while (to->count > 0)
        entries_remove(space, to, to->items[0].name);
    for (size_t i = 0; i < from->count; i++)
        entries_set(space, to, from->items[i].name, from->items[i].node);
}

void tree_init(struct tree *t)
{
    *t = (struct tree){0};
    t->root = node_create(&t->space, true);
}

static void change_free(struct tree *t, struct change *c)
{
    node_unref(&t->space, c->node);
    if (c->from != NULL)
        node_unref(&t->space, c->from);
    if (c->to != NULL)
        node_unref(&t->space, c->to);
    free(c->from_name);
    free(c->to_name);
    free(c);
}

static void drop_changes(struct tree *t)
{
    while (t->first != NULL) {
        struct change *c = t->first;
        t->first = c->next;
        change_free(t, c);
    }
    t->last = NULL;
}

void tree_close(struct tree *t)
{
    drop_changes(t);
    node_unref(&t->space, t->root);
    assert(t->space.first == NULL); /* a handle is still open */
    assert(t->space.pages_used == 0);
}

static struct node *child_of(const struct node *directory, const char *name, size_t length)
{
    for (size_t i = 0; directory->is_directory && i < directory->current.count; i++) {
        const struct entry *e = &directory->current.items[i];
        if (strlen(e->name) == length && memcmp(e->name, name, length) == 0)
            return e->node;
    }
    return NULL;
}

/* Walks `length` bytes of a path. */
static struct node *walk(const struct tree *t, const char *path, size_t length)
{
    struct node *n = t->root;
    const char *end = path + length;
    while (n != NULL && path < end) {
        const char *slash = memchr(path, '/', (size_t)(end - path));
        size_t part = (size_t)((slash != NULL ? slash : end) - path);
        if (part > 0)
            n = child_of(n, path, part);
        path += part + (slash != NULL);
    }
    return n;
}

struct node *tree_find(const struct tree *t, const char *path)
{
    return walk(t, path, strlen(path));
}

struct node *tree_parent(const struct tree *t, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    *name = slash != NULL ? slash + 1 : path;
    struct node *n = walk(t, path, slash != NULL ? (size_t)(slash - path) : 0);
    return n != NULL && n->is_directory ? n : NULL;
}

static void note_change(struct tree *t, struct node *node, struct node *from, const char *from_name,
                        struct node *to, const char *to_name)
{
    struct change *c = must_have(calloc(1, sizeof *c));
    c->node = node_ref(node);
    if (from != NULL) {
        c->from = node_ref(from);
        c->from_name = must_have(strdup(from_name));
    }
    if (to != NULL) {
        c->to = node_ref(to);
        c->to_name = must_have(strdup(to_name));
    }
    c->previous = t->last;
    *(t->last != NULL ? &t->last->next : &t->first) = c;
    t->last = c;
}

void tree_change(struct tree *t, struct node *node, struct node *from, const char *from_name,
                 struct node *to, const char *to_name)
{
    note_change(t, node, from, from_name, to, to_name); /* holds the node meanwhile */
    if (from != NULL)
        entries_remove(&t->space, &from->current, from_name);
    if (to != NULL)
        entries_set(&t->space, &to->current, to_name, node);
}

static void apply_change(struct tree *t, const struct change *c)
{
    if (c->from != NULL) {
        const struct entry *e = entries_find(&c->from->durable, c->from_name);
        if (e != NULL && e->node == c->node)
            entries_remove(&t->space, &c->from->durable, c->from_name);
    }
    if (c->to != NULL)
        entries_set(&t->space, &c->to->durable, c->to_name, c->node);
}

static void unlink_change(struct tree *t, struct change *c)
{
    *(c->previous != NULL ? &c->previous->next : &t->first) = c->next;
    *(c->next != NULL ? &c->next->previous : &t->last) = c->previous;
    change_free(t, c);
}

/* Brings the changes marked as kept to the device, and with each the earlier ones of its node. */
static void apply_kept(struct tree *t)
{
    for (struct change *c = t->last; c != NULL; c = c->previous) {
        c->is_kept |= c->node->is_kept;
        c->node->is_kept = c->is_kept;
    }
    struct change *next;
    for (struct change *c = t->first; c != NULL; c = next) {
        next = c->next;
        c->node->is_kept = false;
        if (c->is_kept) {
            apply_change(t, c);
            unlink_change(t, c);
        }
    }
}

void tree_sync(struct tree *t, struct node *directory)
{
    for (struct change *c = t->first; c != NULL; c = c->next)
        c->is_kept = c->from == directory || c->to == directory;
    apply_kept(t);
}

/* A directory that was removed and is no longer reachable keeps nothing alive: its entries go
 * with its last reference. */
static void show_durable(struct tree *t)
{
    for (struct node *n = t->space.first; n != NULL; n = n->next)
        n->references++; /* nothing is freed while we walk */
    for (struct node *n = t->space.first; n != NULL; n = n->next)
        if (n->is_directory)
            entries_copy(&t->space, &n->current, &n->durable);
    struct node *n = t->space.first;
    while (n != NULL) {
        struct node *next = n->next;
        node_unref(&t->space, n);
        n = next;
    }
}

void tree_crash(struct tree *t, struct random *random, double chance)
{
    for (struct change *c = t->first; c != NULL; c = c->next)
        c->is_kept = random_chance(random, chance);
    apply_kept(t);
    drop_changes(t);
    for (struct node *n = t->space.first; n != NULL; n = n->next)
        if (!n->is_directory)
            node_settle(&t->space, n, random, chance);
    show_durable(t);
}

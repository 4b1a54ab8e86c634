/* Folders of the backing folder, as a whole. */
#ifndef FAULTFS_TREE_H
#define FAULTFS_TREE_H

#include <stddef.h>

/* Removes a file, or a folder with all in it. 0 or an errno. */
int tree_remove(int folder, const char *name);

/* Files and their paths relative to where the walk began. */
struct tree_paths {
    char **paths; /* sorted */
    size_t count;
    size_t capacity;
};

/* The paths of all files below `folder` that are not empty and match `glob` (rules_path_matches),
 * without what the volume hides. 0 or an errno; tree_paths_free() either way. */
int tree_find(int folder, const char *glob, struct tree_paths *found);
void tree_paths_free(struct tree_paths *found);

#endif

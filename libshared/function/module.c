/* module.c - see module.h */
#include "module.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As muster/function.h lays it out. */
struct muster_module {
    uint32_t abi;
    uint32_t function_bytes;
    const struct muster_function *const *begin, *const *end;
};

/* ---- may it be loaded? ---- */

enum place { PLACE_MODULE, PLACE_FOLDER, PLACE_ABOVE };

static muster_err
check_place(const char *path, enum place place, struct muster_error *error)
{
    static const char *const whats[] = { "the module", "the module's folder", "the folder" };
    const char              *what = whats[place];
    struct stat              st;

    if (lstat(path, &st) < 0)
        return error_errno(error, MUSTER_ERR_IO, "%s %s", what, path);
    if (place == PLACE_MODULE ? !S_ISREG(st.st_mode) : !S_ISDIR(st.st_mode))
        return error_set(error, MUSTER_ERR_INVALID, "%s %s is not a %s", what, path,
                         place == PLACE_MODULE ? "regular file" : "folder");
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return error_set(error, MUSTER_ERR_DENIED, "%s %s belongs to user %u; it must be root's or "
                         "the worker's own", what, path, (unsigned)st.st_uid);
    /* In a sticky folder others cannot rename or remove what is ours or root's.  They can
     * add to it: not where the module and what it may load from beside itself lie. */
    if (place == PLACE_ABOVE && (st.st_mode & S_ISVTX))
        return MUSTER_OK;
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return error_set(error, MUSTER_ERR_DENIED, "%s %s can be written by others than its owner; "
                         "chmod go-w it", what, path);
    return MUSTER_OK;
}

/* From the root downwards: when a folder has been looked at, nobody else can put another
 * thing where the next one lies. */
static muster_err
check_path(char *real, struct muster_error *error)
{
    char      *last = strrchr(real, '/');
    muster_err err = check_place("/", last == real ? PLACE_FOLDER : PLACE_ABOVE, error);

    for (char *slash = strchr(real + 1, '/'); slash != NULL && !err;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        err = check_place(real, slash == last ? PLACE_FOLDER : PLACE_ABOVE, error);
        *slash = '/';
    }
    return err ? err : check_place(real, PLACE_MODULE, error);
}

muster_err
module_check(const char *path, char **real_out, struct muster_error *error)
{
    char      *real = realpath(path, NULL);
    muster_err err;

    if (real == NULL)
        return error_errno(error, errno == ENOENT ? MUSTER_ERR_NOT_FOUND : MUSTER_ERR_IO,
                           "the module %s", path);
    err = check_path(real, error);
    if (err) {
        free(real);
        return err;
    }
    *real_out = real;
    return MUSTER_OK;
}

/* ---- load ---- */

static muster_err
module_add(const char *path, const struct muster_module *module, struct function_table *table,
           struct muster_error *error)
{
    uint32_t number = table->modules;

    if (module->begin == module->end)
        return error_set(error, MUSTER_ERR_INVALID, "%s defines no function: "
                         "MUSTER_FUNCTION(name) { ... }", path);
    for (const struct muster_function *const *at = module->begin; at < module->end; at++) {
        struct function_entry entry = { (*at)->name, (*at)->run, (*at)->kind, number };
        struct muster_error   why;
        muster_err            err = function_table_add(table, &entry, &why);

        if (err)
            return error_set(error, err, "%s: %s", path, why.detail);
    }
    table->modules++;
    return MUSTER_OK;
}

static muster_err
library_add(const char *path, void *library, struct function_table *table,
            struct muster_error *error)
{
    const struct muster_module *module = dlsym(library, "muster_module");

    if (module == NULL)
        return error_set(error, MUSTER_ERR_INVALID, "%s is no task module: it does not include "
                         "<muster/function.h>", path);
    if (module->abi != MUSTER_FUNCTION_ABI ||
        module->function_bytes != sizeof(struct muster_function))
        return error_set(error, MUSTER_ERR_VERSION, "%s was made for version %u of muster's "
                         "functions, this worker has %u: build it anew", path, module->abi,
                         MUSTER_FUNCTION_ABI);
    return module_add(path, module, table, error);
}

muster_err
module_load(const char *path, struct function_table *table, struct muster_error *error)
{
    void      *library;
    char      *real;
    muster_err err;

    if (table->modules == MODULES_MAX)
        return error_set(error, MUSTER_ERR_FULL, "more than %d modules", MODULES_MAX);
    err = module_check(path, &real, error);
    if (err)
        return err;
    library = dlopen(real, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        err = error_set(error, MUSTER_ERR_INVALID, "%s", dlerror());
    else
        err = library_add(real, library, table, error);
    free(real);
    return err;
}

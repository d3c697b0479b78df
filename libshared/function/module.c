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

static muster_err
check_owner(const char *path, const char *what, const struct stat *st, struct muster_error *error)
{
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return error_set(error, MUSTER_ERR_DENIED, "%s %s belongs to user %u; it must be root's or "
                         "the worker's own", what, path, (unsigned)st->st_uid);
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        return error_set(error, MUSTER_ERR_DENIED, "%s %s can be written by others than its owner; "
                         "chmod go-w it", what, path);
    return MUSTER_OK;
}

muster_err
module_check(const char *path, char **real_out, struct muster_error *error)
{
    char       *real = realpath(path, NULL);
    char       *slash;
    struct stat st;
    muster_err  err;

    if (real == NULL)
        return error_errno(error, errno == ENOENT ? MUSTER_ERR_NOT_FOUND : MUSTER_ERR_IO,
                           "the module %s", path);
    if (stat(real, &st) < 0)
        err = error_errno(error, MUSTER_ERR_IO, "the module %s", real);
    else if (!S_ISREG(st.st_mode))
        err = error_set(error, MUSTER_ERR_INVALID, "the module %s is not a regular file", real);
    else
        err = check_owner(real, "the module", &st, error);
    slash = strrchr(real, '/');
    if (!err && slash != real) {
        *slash = 0;
        if (stat(real, &st) < 0)
            err = error_errno(error, MUSTER_ERR_IO, "the folder %s", real);
        else
            err = check_owner(real, "the module's folder", &st, error);
        *slash = '/';
    }
    if (err) {
        free(real);
        return err;
    }
    *real_out = real;
    return MUSTER_OK;
}

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

muster_err
module_load(const char *path, struct function_table *table, struct muster_error *error)
{
    void                       *library;
    const struct muster_module *module;

    if (table->modules == MODULES_MAX)
        return error_set(error, MUSTER_ERR_FULL, "more than %d modules", MODULES_MAX);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return error_set(error, MUSTER_ERR_INVALID, "%s", dlerror());
    module = dlsym(library, "muster_module");
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

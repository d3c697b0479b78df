/* key.h - make, enrol, list and revoke authkeys (files; no manager needed) */
#ifndef MUSTER_KEY_H
#define MUSTER_KEY_H

#include <muster/session.h>

#ifdef __cplusplus
extern "C" {
#endif

/* DIR/manager.key, authorized_keys, worker.authkey, client.authkey, admin.authkey,
 * 0600 in a 0700 folder.  Errors: EXISTS (nothing was changed), IO, NO_SPACE. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_key_init(const char *dir, struct muster_error *error);
/* Make and enrol one more: DIR/NAME.authkey.  `options` is NULL or text as in
 * authorized_keys (queues=a,b not-after=2027-01-31 from=10.0.0.0/8 max-connections=4). */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_key_add(const char *dir, const char *role, const char *name, const char *options,
               struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_key_revoke(const char *dir, const char *name, struct muster_error *error);

struct muster_key_info { char name[65], role[17], fingerprint[20]; char *options; };
/* Free with muster_key_list_free(). */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_key_list(const char *dir, struct muster_key_info **infos_out, size_t *count_out,
                struct muster_error *error);
MUSTER_API void muster_key_list_free(struct muster_key_info *infos, size_t count);

#ifdef __cplusplus
}
#endif
#endif

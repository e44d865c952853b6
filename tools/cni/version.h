/* version — the versions of the CNI specification. */
#ifndef IPAMFS_CNI_VERSION_H
#define IPAMFS_CNI_VERSION_H

#include "error.h"

#include <stddef.h>

enum cni_version { CNI_0_1_0, CNI_0_2_0, CNI_0_3_0, CNI_0_3_1, CNI_0_4_0, CNI_1_0_0, CNI_1_1_0, CNI_VERSIONS };
extern const char *const cni_version_name[CNI_VERSIONS];
/* Absent (NULL or empty) means 0.1.0. CNI_VERSION_UNKNOWN, or CNI_UNDECODABLE where it is no version at all. */
int cni_version_parse(const char *s, enum cni_version *out, struct cni_error *e);
/* That of a configuration which need not be one; the newest if it names none of them. */
enum cni_version cni_version_asked(const char *text, size_t size);

#endif

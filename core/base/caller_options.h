/* What the caller of ipam_open may have been compiled with: another version's struct ipam_options. */
#ifndef IPAM_BASE_CALLER_OPTIONS_H
#define IPAM_BASE_CALLER_OPTIONS_H

#include "ipam.h"

/* Copy options as this version knows them; what the caller's version didn't have is zero. -EINVAL with a sentence: size isn't set, or
 * the caller's version has fields which this one doesn't know, and they say something. */
int caller_options(struct ipam_options *out, const struct ipam_options *options, struct ipam_error *error);

#endif

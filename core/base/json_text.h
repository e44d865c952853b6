/* json_text — names and attributes as JSON strings: they are bytes, JSON is UTF-8. */
#ifndef IPAM_BASE_JSON_TEXT_H
#define IPAM_BASE_JSON_TEXT_H

#include <jansson.h>
#include <stddef.h>

/* A byte that is no part of valid UTF-8 becomes U+FFFD. NULL: no memory. */
json_t *json_text(const char *s, size_t n);

#endif

/* etcd_curl — the client's requests over HTTP, by libcurl. */
#ifndef IPAM_ETCD_ETCD_CURL_H
#define IPAM_ETCD_ETCD_CURL_H

#include "etcd/etcd_call.h"

extern const struct etcd_transport etcd_curl;

void etcd_curl_begin(void);          /* for the process: what libcurl reads at first, before rights are given up */
void etcd_curl_free(struct etcd *e); /* its connections */

#endif

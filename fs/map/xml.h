/* xml — what stands in the text of map.svg, correct XML whatever it is made of. */
#ifndef IPAMFS_XML_H
#define IPAMFS_XML_H

#include "fs/base/buffer.h"

/* Bytes that others chose: what is no UTF-8 or no character of XML becomes U+FFFD. At most `most` characters, the last
 * one an ellipsis where there are more. */
void xml_text(struct buffer *b, const char *s, size_t n, size_t most);
/* 16,711,680 and 1.8×10¹⁹. */
void xml_count(struct buffer *b, u128 value);
/* In four letters: 2534, 16k. */
void xml_short(struct buffer *b, uint64_t value);
/* A share of a whole in percent, rounded down: "84%", "<1%". */
void xml_percent(struct buffer *b, u128 part, u128 whole);
/* "2026-11-23 16:38Z". */
void xml_minute(struct buffer *b, int64_t nanoseconds);
/* "3 d 4 h", "12 min", "5 s". */
void xml_age(struct buffer *b, int64_t nanoseconds);

#endif

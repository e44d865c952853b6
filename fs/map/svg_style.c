#include "fs/map/svg_style.h"

/* p page, t text, s small text, f free, k and h and y what patterns are made of, b lines between cells; l0 to l9, lf full,
 * g gateway, d resting, r and x reserved; n, m and w text on the scale's lower, middle and upper part. */
const char svg_style_sheet[] =
	"svg{color-scheme:light dark;background:#fff;font:12px system-ui,sans-serif}\n"
	".p{fill:#fff}.t{fill:#16202c}.s{fill:#56616f}.f{fill:#edf0f4}.o{stroke:#edf0f4}\n"
	".k{fill:#dfe4ea}.h{stroke:#8b96a5}.y{fill:#8b96a5}.b{stroke:#fff}\n"
	".l0{stroke:#ffe9a3}.l1{stroke:#dbe7a8}.l2{stroke:#b6ddb0}.l3{stroke:#8ed3ae}.l4{stroke:#70bdb5}\n"
	".l5{stroke:#51a6ba}.l6{stroke:#2f8fbd}.l7{stroke:#2c6ea3}.l8{stroke:#284f89}.l9{stroke:#22306f}\n"
	".lf{stroke:#c83e12}.g{stroke:#56616f}.d{stroke:url(#d)}.r{stroke:url(#r)}.x{fill:url(#r)}\n"
	".n,.m{fill:#10202c}.w{fill:#fff}\n"
	".a{font:11px ui-monospace,monospace}.e{text-anchor:end}.i{text-anchor:middle}\n"
	".q{font-size:11px;pointer-events:none}.c{fill:none}.c,.z{shape-rendering:crispEdges}\n"
	".h1{font-size:26px;font-weight:600}.h2{font:600 15px ui-monospace,monospace}.h3{font-size:24px;font-weight:600}\n"
	"@media(prefers-color-scheme:dark){\n"
	"svg{background:#11161d}\n"
	".p{fill:#11161d}.t{fill:#eef2f6}.s{fill:#9fabb9}.f{fill:#222a34}.o{stroke:#222a34}\n"
	".k{fill:#2b343f}.h{stroke:#76828f}.y{fill:#76828f}.b{stroke:#11161d}\n"
	".l0{stroke:#413a7c}.l1{stroke:#3a528b}.l2{stroke:#36649a}.l3{stroke:#2f77a8}.l4{stroke:#368da5}\n"
	".l5{stroke:#3ea3a1}.l6{stroke:#49b99b}.l7{stroke:#8acb9d}.l8{stroke:#bfdd9d}.l9{stroke:#f0ee9c}\n"
	".lf{stroke:#ff8a4c}.g{stroke:#9fabb9}\n"
	".n{fill:#fff}.m,.w{fill:#0b1220}}\n";

/* Of leases: the last hour, day and week, and older; steps of the same scale. */
static enum svg_style age_style(int64_t age)
{
	static const int64_t hour = INT64_C(3600000000000);

	return SVG_LEVEL + (age < hour ? 2 : age < 24 * hour ? 4 : age < 7 * 24 * hour ? 6 : 8);
}

enum svg_style svg_style_of(const struct map *m, const struct map_run *r)
{
	switch ((enum map_state)r->state) {
	case MAP_BLOCK:
		return SVG_LEVEL + map_level(r);
	case MAP_LEASED:
		return age_style(m->now - r->time);
	case MAP_RESTING:
		return SVG_RESTING;
	case MAP_GATEWAY:
		return SVG_GATEWAY;
	default:
		return SVG_RESERVED;
	}
}

const char *svg_class(enum svg_style style)
{
	static const char *const name[SVG_STYLES] = { "l0",
						      "l1",
						      "l2",
						      "l3",
						      "l4",
						      "l5",
						      "l6",
						      "l7",
						      "l8",
						      "l9",
						      "lf",
						      [SVG_RESERVED] = "r",
						      [SVG_GATEWAY] = "g",
						      [SVG_RESTING] = "d" };

	return name[style];
}

/* As light or dark as it must be on both backgrounds. */
const char *svg_text_class(enum svg_style style)
{
	if (style == SVG_RESTING)
		return "t";
	return style <= SVG_LEVEL + 3 ? "n" : style <= SVG_LEVEL + 6 ? "m" : "w";
}

/* ---- legend ----------------------------------------------------------------------------------------------- */

enum { SWATCH = 16, LETTER = 7 };

/* In a cell's own units, as patterns are. */
static void put_swatch(const char *class, unsigned x, unsigned y, struct buffer *out)
{
	buffer_print(out, "<path class=\"%s\" transform=\"translate(%u,%u) scale(%d)\" d=\"M0 .5h1\"/>", class, x, y - 12, SWATCH);
}

static unsigned swatch(const char *class, const char *text, unsigned letters, unsigned x, unsigned y, struct buffer *out)
{
	put_swatch(class, x, y, out);
	buffer_print(out, "<text class=\"s\" x=\"%u\" y=\"%u\">%s</text>\n", x + SWATCH + 6, y, text);
	return x + SWATCH + 6 + letters * LETTER + 14;
}

/* The scale is one bar with its ends named. */
static unsigned scale(unsigned x, unsigned y, struct buffer *out)
{
	enum { STEP = SWATCH + 8 };

	buffer_print(out, "<text class=\"s\" x=\"%u\" y=\"%u\">empty</text>", x, y);
	x += 42;
	for (unsigned i = 0; i < MAP_FULL; i++, x += STEP) {
		buffer_print(out, "<path class=\"%s\" d=\"M%u %uh%d\" stroke-width=\"%d\"/>", svg_class(SVG_LEVEL + i), x, y - 4, STEP,
			     SWATCH);
		buffer_print(out, "<text class=\"%s i q\" x=\"%u\" y=\"%u\">%u</text>", svg_text_class(SVG_LEVEL + i), x + STEP / 2, y,
			     i * 10);
	}
	buffer_print(out, "<text class=\"s\" x=\"%u\" y=\"%u\">%% leased</text>\n", x + 6, y);
	return x + 76;
}

void svg_legend(const struct map *m, unsigned x, unsigned y, struct buffer *out)
{
	buffer_print(out, "<g class=\"z\">\n");
	if (m->kind == IPAM_CLUSTER) {
		x = scale(x, y, out);
		x = swatch(svg_class(SVG_LEVEL + MAP_FULL), "full", 4, x, y, out);
	} else {
		x = swatch(svg_class(age_style(0)), "leased within the hour", 20, x, y, out);
		x = swatch(svg_class(SVG_LEVEL + 4), "the day", 7, x, y, out);
		x = swatch(svg_class(SVG_LEVEL + 6), "the week", 8, x, y, out);
		x = swatch(svg_class(age_style(INT64_MAX)), "before", 6, x, y, out);
		x = swatch(svg_class(SVG_RESTING), "resting", 6, x, y, out);
		x = swatch(svg_class(SVG_GATEWAY), "gateway", 7, x, y, out);
	}
	x = swatch("o", "free", 4, x, y, out);
	swatch(svg_class(SVG_RESERVED), m->kind == IPAM_CLUSTER ? "reserved" : "never leased", 12, x, y, out);
	buffer_print(out, "</g>\n");
}

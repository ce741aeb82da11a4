// tests/base/text_test.cpp - text from outside in markup.
#include <gtest/gtest.h>

#include "base/text.h"

namespace dartboard {
namespace {

struct Row {
  const char* what;
  std::string_view in, out;
};
class EscapedMarkup : public testing::TestWithParam<Row> {};

TEST_P(EscapedMarkup, HoldsNothingThatMarkupReads) {
  EXPECT_EQ(escaped_markup(GetParam().in), GetParam().out);
}

INSTANTIATE_TEST_SUITE_P(
    Table, EscapedMarkup,
    testing::Values(Row{"plain", "BAR0 + 0x10", "BAR0 + 0x10"},
                    Row{"element", "</script><b>", "&lt;/script&gt;&lt;b&gt;"},
                    Row{"attribute", "\" onload='x'", "&quot; onload=&#39;x&#39;"},
                    Row{"reference", "a&amp;b", "a&amp;amp;b"},
                    Row{"control",
                        std::string_view("a\0b\n\x1b\x7f"
                                         "c",
                                         7),
                        "a b   c"},
                    Row{"utf8", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
                    Row{"overlong", "\xc0\xbcscript", "\xef\xbf\xbd\xef\xbf\xbdscript"},
                    Row{"surrogate", "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
                    Row{"beyond", "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
                    Row{"cut", "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
                    Row{"cut_before_markup", "\xe2<", "\xef\xbf\xbd&lt;"}, Row{"none", "", ""}),
    [](const auto& info) { return info.param.what; });

}  // namespace
}  // namespace dartboard

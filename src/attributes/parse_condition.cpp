// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/condition.hpp"
#include "core/error.hpp"

#include <algorithm>
#include <cctype>
#include <string>

namespace tessera::attributes {
namespace {

constexpr int kMostNested = 200;

bool is_letter(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return std::isalpha(byte) != 0 || c == '_' || byte >= 128;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_of_name(char c) {
  return is_letter(c) || is_digit(c) || std::string_view(".-:/#@").find(c) != std::string_view::npos;
}

bool is_keyword(std::string_view word, std::string_view keyword) {
  return std::equal(word.begin(), word.end(), keyword.begin(), keyword.end(),
                    [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
}

}  // namespace

/// Recursive descent over the text:
///   any := all ("or" all)*            all := one ("and" one)*
///   one := "not" one | "(" any ")" | "exists" NAME | NAME OPERATOR VALUE | NAME ["not"] "in" "(" VALUE ("," VALUE)*
///   ")" | NAME ["not"] "contains" TEXT
class ConditionParser {
 public:
  using Node = Condition::Node;
  using Kind = Condition::Kind;
  ConditionParser(std::string_view text, const Schema& schema) : text_(text), schema_(schema) {}

  Node parse() {
    Node node = parse_any();
    skip_space();
    if (at_ < text_.size()) expected("'and', 'or' or the end");
    return node;
  }

 private:
  [[noreturn]] void refuse(std::size_t at, const std::string& what) const {
    fail(ExitStatus::kUsage, "condition, column {}: {}", column(at), what);
  }
  [[noreturn]] void expected(std::string_view what) {
    skip_space();
    const std::size_t length = std::max<std::size_t>(1, name_end(at_) - at_);
    refuse(at_, fmt::format("{} was expected, {}", what,
                            at_ == text_.size() ? "but the condition ends"
                                                : fmt::format("not '{}'", text_.substr(at_, length))));
  }
  /// In characters, from 1.
  [[nodiscard]] std::size_t column(std::size_t at) const {
    return 1 + static_cast<std::size_t>(
                   std::count_if(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at),
                                 [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
  }
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  [[nodiscard]] std::size_t name_end(std::size_t at) const {
    while (at < text_.size() && is_of_name(text_[at])) ++at;
    return at;
  }
  bool take(std::string_view symbol) {
    skip_space();
    if (!text_.substr(at_).starts_with(symbol)) return false;
    at_ += symbol.size();
    return true;
  }
  bool take_keyword(std::string_view keyword) {
    skip_space();
    const std::size_t end = name_end(at_);
    if (!is_keyword(text_.substr(at_, end - at_), keyword)) return false;
    at_ = end;
    return true;
  }
  bool is_next(std::string_view keyword) {
    const std::size_t before = at_;
    const bool found = take_keyword(keyword);
    at_ = before;
    return found;
  }

  static Node joined(Kind kind, std::vector<Node> children) {
    if (children.size() == 1) return std::move(children.front());
    return {kind, 0, {}, std::move(children)};
  }
  Node parse_any() {
    std::vector<Node> children;
    do children.push_back(parse_all());
    while (take_keyword("or"));
    return joined(Kind::kOr, std::move(children));
  }
  Node parse_all() {
    std::vector<Node> children;
    do children.push_back(parse_one());
    while (take_keyword("and"));
    return joined(Kind::kAnd, std::move(children));
  }
  Node parse_one() {
    if (++nested_ > kMostNested) refuse(at_, "the condition is nested too deeply");
    Node node;
    if (take_keyword("not")) {
      node.kind = Kind::kNot;
      node.children.push_back(parse_one());
    } else if (take("(")) {
      node = parse_any();
      if (!take(")")) expected("'and', 'or' or ')'");
    } else if (take_keyword("exists")) {
      node.kind = Kind::kExists;
      node.attribute = parse_name();
    } else {
      node = parse_comparison();
    }
    --nested_;
    return node;
  }

  std::size_t parse_name() {
    skip_space();
    const std::size_t start = at_;
    for (const auto& [open, close] : {std::pair('`', '`'), std::pair('<', '>')}) {
      if (at_ == text_.size() || text_[at_] != open) continue;
      const std::size_t end = text_.find(close, at_ + 1);
      if (end == std::string_view::npos)
        refuse(start, fmt::format("the name of an attribute has no '{}' at its end", close));
      at_ = end + 1;
      return attribute(text_.substr(start + 1, end - start - 1), start);
    }
    const bool is_word = at_ < text_.size() && is_letter(text_[at_]);
    for (const char* keyword : {"and", "or", "in", "not", "exists"})
      if (is_next(keyword)) expected("the name of an attribute");
    if (!is_word) expected("the name of an attribute");
    at_ = name_end(at_);
    return attribute(text_.substr(start, at_ - start), start);
  }
  [[nodiscard]] std::size_t attribute(std::string_view name, std::size_t at) const {
    return schema_.require(name, fmt::format("condition, column {}: ", column(at)));
  }

  Node parse_comparison() {
    Node node;
    node.attribute = parse_name();
    const bool is_negated = take_keyword("not");
    if (take_keyword("in")) {
      if (!take("(")) expected("'('");
      do node.any_of.emplace_back(Relation::kEqual, parse_value(node.attribute));
      while (take(","));
      if (!take(")")) expected("',' or ')'");
      return is_negated ? negated(std::move(node)) : node;
    }
    if (take_keyword("contains")) {
      node.any_of.emplace_back(Relation::kContains, parse_part(node.attribute));
      return is_negated ? negated(std::move(node)) : node;
    }
    if (is_negated) expected("'in' or 'contains'");
    const Relation relation = parse_relation();
    node.any_of.emplace_back(relation, parse_value(node.attribute));
    return node;
  }
  static Node negated(Node node) {
    Node negation{Kind::kNot, 0, {}, {}};
    negation.children.push_back(std::move(node));
    return negation;
  }
  Relation parse_relation() {
    for (const auto& [symbol, relation] :
         {std::pair("<=", Relation::kAtMost), std::pair(">=", Relation::kAtLeast), std::pair("!=", Relation::kNotEqual),
          std::pair("==", Relation::kEqual), std::pair("=", Relation::kEqual), std::pair("<", Relation::kBelow),
          std::pair(">", Relation::kAbove)})
      if (take(symbol)) return relation;
    expected("one of = != < <= > >= in contains");
  }

  Constant parse_value(std::size_t attribute) {
    skip_space();
    const std::size_t start = at_;
    if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\''))
      return of_type(attribute, parse_text(), true, start);
    if (at_ == text_.size() ||
        (!is_digit(text_[at_]) && std::string_view("+-.").find(text_[at_]) == std::string_view::npos))
      expected("a number, a date or a text in quotes");
    while (at_ < text_.size() && (is_of_name(text_[at_]) || text_[at_] == '+')) ++at_;
    return of_type(attribute, std::string(text_.substr(start, at_ - start)), false, start);
  }
  /// What a text contains.
  Constant parse_part(std::size_t attribute) {
    skip_space();
    const std::size_t start = at_;
    if (schema_.types[attribute] != Type::kText)
      refuse(start, fmt::format("'{}' is a {}; 'contains' is for texts", schema_.names[attribute],
                                name(schema_.types[attribute])));
    if (at_ == text_.size() || (text_[at_] != '"' && text_[at_] != '\'')) expected("a text in quotes");
    return parse_text();
  }
  /// A quote inside is doubled.
  std::string parse_text() {
    const std::size_t start = at_;
    const char quote = text_[at_++];
    std::string text;
    for (;; ++at_) {
      if (at_ == text_.size()) refuse(start, fmt::format("the text has no {} at its end", quote));
      if (text_[at_] == quote && !(at_ + 1 < text_.size() && text_[at_ + 1] == quote)) break;
      if (text_[at_] == quote) ++at_;
      text += text_[at_];
    }
    ++at_;
    return text;
  }
  [[nodiscard]] Constant of_type(std::size_t attribute, std::string text, bool is_quoted, std::size_t at) const {
    const Type type = schema_.types[attribute];
    auto number = Number::parse(text);
    if (number && number->kind != Number::Kind::kFinite) number.reset();
    const auto day = parse_date(text);
    if (!is_quoted && !number && !day) refuse(at, fmt::format("'{}' is neither a number nor a date", text));
    if (type == Type::kNumber && !is_quoted && number) return *number;
    if (type == Type::kDate && day) return Date{*day};
    if (type == Type::kText && is_quoted) return text;
    const char* what = is_quoted ? "the text" : number ? "the number" : "the date";
    const std::string quote = is_quoted ? "\"" : "";
    refuse(at, fmt::format("'{}' is a {}: it cannot be compared with {} {}{}{}{}", schema_.names[attribute], name(type),
                           what, quote, text, quote, type == Type::kText ? "; a text stands in quotes" : ""));
  }

  std::string_view text_;
  const Schema& schema_;
  std::size_t at_ = 0;
  int nested_ = 0;
};

Condition Condition::parse(std::string_view text, const Schema& schema) {
  Condition condition;
  condition.root_ = ConditionParser(text, schema).parse();
  return condition;
}

}  // namespace tessera::attributes

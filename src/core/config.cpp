// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/config.hpp"

#include "core/error.hpp"
#include "core/text.hpp"

#include <fmt/ranges.h>

#include <toml++/toml.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace tessera {
namespace {

std::string to_toml_text(const toml::node& node) {
  std::ostringstream text;
  node.visit([&](const auto& value) { text << value; });
  return text.str();
}

ConfigValue to_value(const toml::node& node, std::string where) {
  ConfigValue value;
  value.where = std::move(where);
  if (const auto* string = node.as_string()) {
    value.kind = ConfigValue::Kind::kString;
    value.string = string->get();
  } else if (const auto* integer = node.as_integer()) {
    value.kind = ConfigValue::Kind::kInteger;
    value.integer = integer->get();
    value.real = static_cast<double>(integer->get());
  } else if (const auto* real = node.as_floating_point()) {
    value.kind = ConfigValue::Kind::kReal;
    value.real = real->get();
  } else if (const auto* boolean = node.as_boolean()) {
    value.kind = ConfigValue::Kind::kBoolean;
    value.boolean = boolean->get();
  } else if (const auto* list = node.as_array()) {
    value.kind = ConfigValue::Kind::kList;
    for (const toml::node& item : *list) value.items.push_back(to_toml_text(item));
  }
  return value;
}

void flatten(const toml::table& table, const std::string& prefix, const std::string& file, ConfigValues& out) {
  for (const auto& [key, node] : table) {
    const std::string path = prefix.empty() ? std::string(key.str()) : prefix + "." + std::string(key.str());
    if (const auto* inner = node.as_table())
      flatten(*inner, path, file, out);
    else
      out[path] = to_value(node, fmt::format("{}:{}", file, node.source().begin.line));
  }
}

const char* kind_name(ConfigValue::Kind kind) {
  switch (kind) {
    case ConfigValue::Kind::kString: return "a string";
    case ConfigValue::Kind::kInteger: return "an integer";
    case ConfigValue::Kind::kReal: return "a real number";
    case ConfigValue::Kind::kBoolean: return "true or false";
    case ConfigValue::Kind::kList: return "a list";
    case ConfigValue::Kind::kOther: break;
  }
  return "something else";
}

[[noreturn]] void wrong_type(const std::string& key, const ConfigValue& value, const char* expected) {
  fail(ExitStatus::kUsage, "{}: '{}' must be {}, not {}", value.where, key, expected, kind_name(value.kind));
}

void check_range(const std::string& key, const ConfigValue& value, Range range) {
  const bool high_enough = range.above_least ? value.real > range.least : value.real >= range.least;
  if (high_enough && value.real <= range.most) return;
  if (range.above_least)
    fail(ExitStatus::kUsage, "{}: '{}' must be above {} and at most {}, not {}", value.where, key, range.least,
         range.most, value.real);
  if (range.most >= kNoLimit)
    fail(ExitStatus::kUsage, "{}: '{}' must be at least {}, not {}", value.where, key, range.least, value.real);
  fail(ExitStatus::kUsage, "{}: '{}' must be between {} and {}, not {}", value.where, key, range.least, range.most,
       value.real);
}

// One TOML value, or a string when it is not one.
ConfigValue parse_override(const std::string& text, const std::string& where) {
  try {
    const toml::table table = toml::parse("v = " + text);
    if (table.size() == 1) {
      ConfigValue value = to_value(*table.get("v"), where);
      value.typed = text;
      return value;
    }
  } catch (const toml::parse_error&) {  // NOLINT(bugprone-empty-catch): a word without quotes
  }
  ConfigValue string;
  string.kind = ConfigValue::Kind::kString;
  string.string = text;
  string.where = where;
  return string;
}

std::string joined(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, ", ")); }

}  // namespace

ConfigValues read_toml_file(const std::filesystem::path& file) {
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored))
    fail(ExitStatus::kMissingInput, "'{}' is a folder; a job file is needed", file.string());
  std::ifstream in(file);
  if (!in) fail(ExitStatus::kMissingInput, "job file '{}' cannot be opened", file.string());
  std::ostringstream content;
  content << in.rdbuf();
  ConfigValues values;
  try {
    flatten(toml::parse(content.str(), file.string()), "", file.string(), values);
  } catch (const toml::parse_error& error) {
    fail(ExitStatus::kUsage, "{}:{}: {}", file.string(), error.source().begin.line, error.description());
  }
  return values;
}

void apply_overrides(ConfigValues& values, const std::vector<std::string>& overrides) {
  for (const std::string& override_text : overrides) {
    const std::size_t equals = override_text.find('=');
    if (equals == std::string::npos || equals == 0)
      fail(ExitStatus::kUsage, "'{}' is not an override; write key=value, for example model.dim=128", override_text);
    const std::string key = override_text.substr(0, equals);
    const std::string value = override_text.substr(equals + 1);
    const std::string where = fmt::format("command line '{}'", override_text);
    values[key] = parse_override(value, where);
  }
}

const ConfigValue* ConfigReader::find(const std::string& key) {
  known_.push_back(key);
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

void ConfigReader::text(const std::string& key, std::string& value, const std::vector<std::string>& allowed) {
  const ConfigValue* found = find(key);
  if (found == nullptr) return;
  const bool is_word = found->kind != ConfigValue::Kind::kString && !found->typed.empty();
  if (found->kind != ConfigValue::Kind::kString && !is_word) wrong_type(key, *found, "a string in double quotes");
  const std::string& given = is_word ? found->typed : found->string;
  if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), given) == allowed.end()) {
    const std::string guess = text::nearest(given, allowed);
    fail(ExitStatus::kUsage, "{}: '{}' cannot be \"{}\"{}; it is one of: {}", found->where, key, given,
         guess.empty() ? "" : fmt::format(" (did you mean \"{}\"?)", guess), joined(allowed));
  }
  value = given;
}

void ConfigReader::word_or_integer(const std::string& key, std::string& value, const std::vector<std::string>& words) {
  const ConfigValue* found = find(key);
  if (found == nullptr) return;
  if (found->kind == ConfigValue::Kind::kInteger)
    value = std::to_string(found->integer);
  else if (found->kind == ConfigValue::Kind::kString && !words.empty() &&
           std::find(words.begin(), words.end(), found->string) == words.end())
    fail(ExitStatus::kUsage, "{}: '{}' cannot be \"{}\"; it is a number or one of: {}", found->where, key,
         found->string, joined(words));
  else
    text(key, value, words);
}

void ConfigReader::integer(const std::string& key, std::uint64_t& value, Range range) {
  const ConfigValue* found = find(key);
  if (found == nullptr) return;
  if (found->kind != ConfigValue::Kind::kInteger) wrong_type(key, *found, "an integer");
  check_range(key, *found, range);
  value = static_cast<std::uint64_t>(found->integer);
}

void ConfigReader::real(const std::string& key, double& value, Range range) {
  const ConfigValue* found = find(key);
  if (found == nullptr) return;
  if (found->kind != ConfigValue::Kind::kReal && found->kind != ConfigValue::Kind::kInteger)
    wrong_type(key, *found, "a number");
  check_range(key, *found, range);
  value = found->real;
}

void ConfigReader::flag(const std::string& key, bool& value) {
  const ConfigValue* found = find(key);
  if (found == nullptr) return;
  if (found->kind != ConfigValue::Kind::kBoolean) wrong_type(key, *found, "true or false");
  value = found->boolean;
}

void ConfigReader::reject_unknown() const {
  for (const auto& [key, value] : values_) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    const std::string guess = text::nearest(key, known_);
    fail(ExitStatus::kUsage, "{}: unknown key '{}'{}", value.where, key,
         guess.empty() ? std::string("; 'tessera train --help' lists the keys")
                       : fmt::format("; did you mean '{}'?", guess));
  }
}

std::string ConfigWriter::toml() const {
  std::string toml;
  std::string open_table;
  for (const auto& [key, value] : lines_) {
    const std::size_t dot = key.find('.');
    const std::string table = key.substr(0, dot);
    if (table != open_table) toml += fmt::format("{}[{}]\n", toml.empty() ? "" : "\n", table);
    open_table = table;
    toml += fmt::format("{} = {}\n", key.substr(dot + 1), value);
  }
  return toml;
}

void ConfigWriter::text(const std::string& key, std::string& value, const std::vector<std::string>& /*allowed*/) {
  std::ostringstream quoted;
  quoted << toml::value<std::string>(value);
  lines_.push_back({key, quoted.str()});
}

void ConfigWriter::word_or_integer(const std::string& key, std::string& value, const std::vector<std::string>& words) {
  const bool is_integer =
      !value.empty() && std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!is_integer) return text(key, value, words);
  lines_.push_back({key, value});
}

void ConfigWriter::integer(const std::string& key, std::uint64_t& value, Range /*range*/) {
  lines_.push_back({key, std::to_string(value)});
}

void ConfigWriter::real(const std::string& key, double& value, Range /*range*/) {
  std::string digits = fmt::format("{}", value);
  if (digits.find_first_of(".en") == std::string::npos) digits += ".0";
  lines_.push_back({key, digits});
}

void ConfigWriter::flag(const std::string& key, bool& value) { lines_.push_back({key, value ? "true" : "false"}); }

}  // namespace tessera

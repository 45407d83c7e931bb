// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "tuning/space.hpp"

#include "core/error.hpp"
#include "core/random.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace tessera::tuning {
namespace {

using Kind = ConfigValue::Kind;

constexpr std::string_view kPrefix = "space.";

/// The keys of a range, which stand behind the key of the job.
struct RangeKeys {
  const ConfigValue* from = nullptr;
  const ConfigValue* to = nullptr;
  const ConfigValue* log = nullptr;
};

double number(const std::string& key, const ConfigValue& value) {
  if (value.kind == Kind::kInteger || value.kind == Kind::kReal) return value.real;
  fail(ExitStatus::kUsage, "{}: '{}' must be a number", value.where, key);
}

bool is_log(const std::string& key, const ConfigValue* value) {
  if (value == nullptr) return false;
  if (value->kind != Kind::kBoolean) fail(ExitStatus::kUsage, "{}: '{}.log' must be true or false", value->where, key);
  return value->boolean;
}

Dimension to_range(const std::string& key, const RangeKeys& of, const std::string& file) {
  if (of.from == nullptr || of.to == nullptr)
    fail(ExitStatus::kUsage, "{}: '{}' needs a list of values, or 'from' and 'to'", file, key);
  Dimension range{key, {}, number(key + ".from", *of.from), number(key + ".to", *of.to)};
  range.is_log = is_log(key, of.log);
  range.is_whole = of.from->kind == Kind::kInteger && of.to->kind == Kind::kInteger;
  if (!(range.from < range.to)) fail(ExitStatus::kUsage, "{}: '{}': 'from' must be below 'to'", of.from->where, key);
  if (range.is_log && range.from <= 0)
    fail(ExitStatus::kUsage, "{}: '{}': with log = true, 'from' must be above 0", of.from->where, key);
  return range;
}

Dimension to_choices(const std::string& key, const ConfigValue& value) {
  if (value.kind != Kind::kList || value.items.empty())
    fail(ExitStatus::kUsage, "{}: '{}' needs a list of values, or 'from' and 'to'", value.where, key);
  return {key, value.items};
}

std::string drawn_value(const Dimension& of, double uniform) {
  if (!of.choices.empty()) {
    const auto choice = static_cast<std::size_t>(uniform * static_cast<double>(of.choices.size()));
    return of.choices[std::min(choice, of.choices.size() - 1)];
  }
  const double end = of.is_whole ? of.to + 1 : of.to;  // each whole number is as likely as the next
  double value = of.is_log ? std::exp(std::log(of.from) + uniform * (std::log(end) - std::log(of.from)))
                           : of.from + uniform * (end - of.from);
  if (of.is_whole) return fmt::format("{}", static_cast<std::int64_t>(std::min(std::floor(value), of.to)));
  value = std::clamp(value, of.from, of.to);
  return fmt::format("{:.4g}", value);
}

}  // namespace

Space Space::read(const ConfigValues& values, const std::string& file) {
  std::map<std::string, RangeKeys> ranges;
  Space space;
  for (const auto& [name, value] : values) {
    if (!name.starts_with(kPrefix)) continue;
    const std::string key = name.substr(kPrefix.size());
    const std::size_t dot = key.rfind('.');
    const std::string last = dot == std::string::npos ? "" : key.substr(dot + 1);
    if (last == "from" || last == "to" || last == "log") {
      RangeKeys& range = ranges[key.substr(0, dot)];
      (last == "from" ? range.from : last == "to" ? range.to : range.log) = &value;
    } else {
      space.dimensions_.push_back(to_choices(key, value));
    }
  }
  for (const auto& [key, range] : ranges) space.dimensions_.push_back(to_range(key, range, file));
  std::sort(space.dimensions_.begin(), space.dimensions_.end(),
            [](const Dimension& a, const Dimension& b) { return a.key < b.key; });
  if (space.dimensions_.empty())
    fail(ExitStatus::kUsage, "{}: the table [space] names no keys of the job to try values of", file);
  return space;
}

std::vector<Settings> Space::grid() const {
  std::vector<Settings> grid = {{}};
  for (const Dimension& dimension : dimensions_) {
    if (dimension.choices.empty())
      fail(ExitStatus::kUsage, "method = \"grid\" needs lists of values; '{}' is a range", dimension.key);
    if (grid.size() * dimension.choices.size() > kMostTrials)
      fail(ExitStatus::kUsage, "the grid has more than {} settings; use method = \"random\"", kMostTrials);
    std::vector<Settings> longer;
    for (const Settings& settings : grid)
      for (const std::string& choice : dimension.choices) {
        longer.push_back(settings);
        longer.back().push_back(dimension.key + "=" + choice);
      }
    grid = std::move(longer);
  }
  return grid;
}

Settings Space::draw(std::uint64_t seed, std::uint64_t trial) const {
  Settings settings;
  for (std::size_t d = 0; d < dimensions_.size(); ++d) {
    const RandomStream random(seed, Purpose::kTuning, 0, static_cast<std::uint32_t>(d));
    settings.push_back(dimensions_[d].key + "=" + drawn_value(dimensions_[d], random.uniform(trial)));
  }
  return settings;
}

}  // namespace tessera::tuning

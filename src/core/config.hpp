// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace tessera {

/// One value of a job file, with the place it came from for messages.
struct ConfigValue {
  enum class Kind { kString, kInteger, kReal, kBoolean, kList, kOther };
  Kind kind = Kind::kOther;
  std::string string;
  std::int64_t integer = 0;
  double real = 0;
  bool boolean = false;
  std::vector<std::string> items;  ///< of a list, each as TOML; no key of a job is one
  std::string typed;               ///< of an override that is no string: the word itself, for keys that take text
  std::string where;               ///< "job.toml:12" or "command line"
};

/// Dotted key -> value, flat: "model.dim". Tables nest one level.
using ConfigValues = std::map<std::string, ConfigValue>;

/// Reads a TOML file. Throws Error: kMissingInput when it is not there, kUsage with file and line for a syntax error.
ConfigValues read_toml_file(const std::filesystem::path& file);

/// Adds `key=value` overrides; the value is TOML, or taken as a string when it is not. Throws Error(kUsage).
void apply_overrides(ConfigValues& values, const std::vector<std::string>& overrides);

inline constexpr double kNoLimit = 1e19;  ///< above every integer that TOML has

/// The values that a numeric key may have.
struct Range {
  double least = 0;
  double most = kNoLimit;
  bool above_least = false;  ///< `least` itself is not allowed
};

/// Visits every key of a description; each visitor below does one thing with it.
class ConfigVisitor {
 public:
  virtual ~ConfigVisitor() = default;
  virtual void text(const std::string& key, std::string& value, const std::vector<std::string>& allowed) = 0;
  /// One of the words (any word when `words` is empty), or an integer, which is kept as text.
  virtual void word_or_integer(const std::string& key, std::string& value, const std::vector<std::string>& words) = 0;
  virtual void integer(const std::string& key, std::uint64_t& value, Range range) = 0;
  virtual void real(const std::string& key, double& value, Range range) = 0;
  virtual void flag(const std::string& key, bool& value) = 0;
};

/// Assigns values, checks types and ranges, and refuses unknown keys.
class ConfigReader final : public ConfigVisitor {
 public:
  explicit ConfigReader(const ConfigValues& values) : values_(values) {}
  void text(const std::string& key, std::string& value, const std::vector<std::string>& allowed) override;
  void word_or_integer(const std::string& key, std::string& value, const std::vector<std::string>& words) override;
  void integer(const std::string& key, std::uint64_t& value, Range range) override;
  void real(const std::string& key, double& value, Range range) override;
  void flag(const std::string& key, bool& value) override;
  /// Throws Error(kUsage) for the first unknown key, naming the nearest known one.
  void reject_unknown() const;

 private:
  const ConfigValue* find(const std::string& key);
  const ConfigValues& values_;
  std::vector<std::string> known_;
};

/// A key with its value as TOML.
struct ConfigLine {
  std::string key;
  std::string value;
};

/// Writes the resolved values as TOML text.
class ConfigWriter final : public ConfigVisitor {
 public:
  void text(const std::string& key, std::string& value, const std::vector<std::string>& allowed) override;
  void word_or_integer(const std::string& key, std::string& value, const std::vector<std::string>& words) override;
  void integer(const std::string& key, std::uint64_t& value, Range range) override;
  void real(const std::string& key, double& value, Range range) override;
  void flag(const std::string& key, bool& value) override;
  [[nodiscard]] const std::vector<ConfigLine>& lines() const { return lines_; }
  [[nodiscard]] std::string toml() const;

 private:
  std::vector<ConfigLine> lines_;
};

}  // namespace tessera

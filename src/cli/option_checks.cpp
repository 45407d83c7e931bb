// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/option_checks.hpp"

#include "core/text.hpp"

#include <fmt/ranges.h>

#include <charconv>

namespace tessera::cli {

Check whole_number(std::uint64_t least, std::uint64_t most) {
  const std::string range = most == kAnyNumber
                                ? fmt::format("a whole number, at least {}", least)
                                : fmt::format("a whole number from {} to {}", least, text::with_thousands(most));
  return [least, most, range](const std::string& word) -> std::string {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    const bool good = error == std::errc() && end == word.data() + word.size() && value >= least && value <= most;
    return good ? "" : fmt::format("'{}' is not allowed; it takes {}", word, range);
  };
}

Check positive_number() {
  return [](const std::string& word) -> std::string {
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    const bool good = error == std::errc() && end == word.data() + word.size() && value > 0 &&
                      value <= std::numeric_limits<float>::max();
    return good ? "" : fmt::format("'{}' is not allowed; it takes a number above 0", word);
  };
}

Check not_empty() {
  return [](const std::string& word) -> std::string { return word.empty() ? "the name is empty" : ""; };
}

Check one_of(const std::vector<std::string>& words) {
  return [words](const std::string& given) -> std::string {
    for (const std::string& word : words)
      if (given == word) return "";
    const std::string guess = text::nearest(given, words);
    return fmt::format("'{}' is not known{}; it is one of: {}", given,
                       guess.empty() ? "" : fmt::format(" (did you mean '{}'?)", guess), fmt::join(words, ", "));
  };
}

}  // namespace tessera::cli

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
class Option;
}  // namespace CLI

namespace tessera::cli {

/// Returns the fault of a word of the command line, or an empty string.
using Check = std::function<std::string(const std::string& word)>;

/// A view of one option of a command, to say more about it.
class Option {
 public:
  explicit Option(CLI::Option& option) : option_(&option) {}
  Option required() const;
  /// Every word of it must pass.
  Option check(const Check& check) const;
  /// The help names the value that it has now.
  Option show_default() const;
  /// How many words it takes.
  Option words(int least, int most) const;
  /// One word, which `delimiter` cuts into several.
  Option cut_at(char delimiter) const;
  /// Sets the name of its words in the help.
  Option type_name(const std::string& name) const;

 private:
  CLI::Option* option_;
};

/// A view of one command: takes its options. What they write to must live until the command has run.
class Parser {
 public:
  explicit Parser(CLI::App& app) : app_(&app) {}

  /// `names` are "--long", "-s,--long", or the bare name of a word that stands alone. The types: see command_line.cpp.
  template <class Value>
  Option add(const std::string& names, Value& value, const std::string& description) const;
  Option add_flag(const std::string& names, bool& value, const std::string& description) const;
  /// One of the names of an enumeration.
  template <class Enum>
  Option add_choice(const std::string& names, Enum& value, const std::map<std::string, Enum>& values,
                    const std::string& description) const {
    std::vector<std::string> words;
    for (const auto& [word, meaning] : values) words.push_back(word);
    return add_word(
        names, words, [&value, values](const std::string& word) { value = values.at(word); }, description);
  }
  /// Sets the last text of the help, before the text for all commands.
  void epilogue(const std::string& text) const;

 private:
  Option add_word(const std::string& names, const std::vector<std::string>& words,
                  const std::function<void(const std::string&)>& take, const std::string& description) const;
  CLI::App* app_;
};

/// The command line of the program: the only place that knows the library that parses it.
class CommandLine {
 public:
  /// The next action: run a command, or print a text and end.
  struct Result {
    std::string command = {};
    bool quiet = false;
    bool verbose = false;
    std::string text = {};  ///< without a command: help or version, or what is wrong
    bool is_wrong = false;
  };

  CommandLine();
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  Parser add_command(const std::string& name, const std::string& description);
  Result parse(int argc, char** argv);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera::cli

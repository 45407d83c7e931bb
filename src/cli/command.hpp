// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command_line.hpp"
#include "comm/communicator.hpp"
#include "core/error.hpp"

#include <functional>
#include <memory>
#include <string>

namespace tessera::cli {

/// What a command gets when it runs.
struct Environment {
  comm::Communicator& comm;
  [[nodiscard]] bool is_root() const { return comm.rank() == Rank(0); }
};

/// A failure whose message has been printed already.
class ReportedError : public Error {
 public:
  explicit ReportedError(ExitStatus status) : Error(status, "") {}
};

/// What was printed on standard output has arrived there, or Error(kIo): results that are lost are a failure.
void flush_results();

/// What SIGINT and SIGTERM do.
enum class Interrupts {
  kCleanUp,  ///< half-written files are removed before the program ends
  kOwnTerm,  ///< the same for SIGINT; the command handles SIGTERM itself
  kDefault,
};

using Action = std::function<void(Environment&)>;
struct Command {
  Action action;
  bool parallel = false;  ///< runs under mpirun and srun; the others refuse more than one rank
  Interrupts interrupts = Interrupts::kCleanUp;
};

/// A command: adds its options to the parser and returns what to do. The state behind the options lives in the returned
/// function.
Command add_import(const Parser& parser);
Command add_partition(const Parser& parser);
Command add_train(const Parser& parser);
Command add_evaluate(const Parser& parser);
Command add_compare(const Parser& parser);
Command add_predict(const Parser& parser);
Command add_export(const Parser& parser);
Command add_attributes(const Parser& parser);
Command add_info(const Parser& parser);

}  // namespace tessera::cli

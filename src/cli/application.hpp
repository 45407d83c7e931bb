// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tessera::cli {

/// The program: parses, runs one command, reports a failure once, returns the exit status.
int run(int argc, char** argv);

}  // namespace tessera::cli

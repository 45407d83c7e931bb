// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace tessera::cli::detail {

/// The text of docs/user/job_file.md.
std::string_view job_reference();

}  // namespace tessera::cli::detail

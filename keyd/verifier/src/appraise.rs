//! The list of all checks, in the order in which an enrolment or an activation makes them.

-- What a quote in a running visit showed, so that the visit may only be finished: a refusal code.

alter table session add column finish text;

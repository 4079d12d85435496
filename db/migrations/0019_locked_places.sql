-- What is sent was looked up by its key three times: to lock it, to remove it, and to let it wait anew.
drop function if exists outbox.lock_deliveries(int[], int[], text[], text[], timestamptz[]);
drop function if exists outbox.requeue_deliveries(int[], int[], text[], text[], timestamptz[]);

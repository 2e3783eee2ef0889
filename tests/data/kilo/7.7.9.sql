BEGIN TRANSACTION;
CREATE TABLE `session` (
          `id` text PRIMARY KEY,
          `project_id` text NOT NULL,
          `workspace_id` text,
          `parent_id` text,
          `slug` text NOT NULL,
          `directory` text NOT NULL,
          `path` text,
          `title` text NOT NULL,
          `version` text NOT NULL,
          `share_url` text,
          `summary_additions` integer,
          `summary_deletions` integer,
          `summary_files` integer,
          `summary_diffs` text,
          `metadata` text,
          `cost` real DEFAULT 0 NOT NULL,
          `tokens_input` integer DEFAULT 0 NOT NULL,
          `tokens_output` integer DEFAULT 0 NOT NULL,
          `tokens_reasoning` integer DEFAULT 0 NOT NULL,
          `tokens_cache_read` integer DEFAULT 0 NOT NULL,
          `tokens_cache_write` integer DEFAULT 0 NOT NULL,
          `revert` text,
          `permission` text,
          `agent` text,
          `model` text,
          `time_created` integer NOT NULL,
          `time_updated` integer NOT NULL,
          `time_compacting` integer,
          `time_archived` integer
        );
INSERT INTO "session" VALUES('ses_dd23c8f55ffeWFrr1ZDlKWTaLR','71d9f881ed9f014f16b81e6c1f0693385511b42f',NULL,NULL,'cosmic-mountain','/home/dev/proj','','New session - 2026-11-30T18:41:52.811Z','7.7.9',NULL,0,0,0,NULL,NULL,0.00318,1000,12,0,0,0,NULL,'[{"permission":"question","pattern":"*","action":"deny"},{"permission":"suggest","pattern":"*","action":"deny"},{"permission":"plan_enter","pattern":"*","action":"deny"},{"permission":"plan_exit","pattern":"*","action":"deny"}]','code','{"id":"fake-model","providerID":"fake","variant":"default"}',1796064112811,1796064155478,NULL,NULL);
INSERT INTO "session" VALUES('ses_dd23badbcffeSV702CI1gQWrpL','71d9f881ed9f014f16b81e6c1f0693385511b42f',NULL,NULL,'playful-lagoon','/home/dev/proj','','New session - 2026-11-30T18:42:50.563Z','7.7.9',NULL,2,0,1,NULL,NULL,0.025215,7200,164,11,3300,0,NULL,'[{"permission":"question","pattern":"*","action":"deny"},{"permission":"suggest","pattern":"*","action":"deny"},{"permission":"plan_enter","pattern":"*","action":"deny"},{"permission":"plan_exit","pattern":"*","action":"deny"}]','code','{"id":"fake-model","providerID":"fake","variant":"default"}',1796064170563,1796064224311,NULL,NULL);
INSERT INTO "session" VALUES('ses_dd23a88e0ffer5UuZFIxEIp8Io','71d9f881ed9f014f16b81e6c1f0693385511b42f',NULL,NULL,'hidden-panda','/home/dev/proj','','New session - 2026-11-30T18:44:05.535Z','7.7.9',NULL,0,0,0,NULL,NULL,0.010485,3200,59,0,0,0,NULL,'[{"permission":"question","pattern":"*","action":"deny"},{"permission":"suggest","pattern":"*","action":"deny"},{"permission":"plan_enter","pattern":"*","action":"deny"},{"permission":"plan_exit","pattern":"*","action":"deny"}]','code','{"id":"fake-model","providerID":"fake","variant":"default"}',1796064245535,1796064285375,NULL,NULL);
INSERT INTO "session" VALUES('ses_dd23a04d6ffeU72LFcasgfrMuK','71d9f881ed9f014f16b81e6c1f0693385511b42f',NULL,'ses_dd23a88e0ffer5UuZFIxEIp8Io','curious-sailor','/home/dev/proj','','Count the files (@general subagent)','7.7.9',NULL,0,0,0,NULL,NULL,0.0049499999999999995,1500,30,0,0,0,NULL,'[{"permission":"suggest","pattern":"*","action":"deny"},{"permission":"plan_enter","pattern":"*","action":"deny"},{"permission":"plan_exit","pattern":"*","action":"deny"},{"permission":"repo_clone","action":"deny","pattern":"*"},{"permission":"question","action":"deny","pattern":"*"},{"permission":"task","action":"deny","pattern":"*"}]','general','{"id":"fake-model","providerID":"fake","variant":"default"}',1796064279337,1796064283681,NULL,NULL);
CREATE TABLE `message` (
          `id` text PRIMARY KEY,
          `session_id` text NOT NULL,
          `time_created` integer NOT NULL,
          `time_updated` integer NOT NULL,
          `data` text NOT NULL
        );
INSERT INTO "message" VALUES('msg_22dc3ef6d001Ux1qxRXw1qoOBN','ses_dd23c8f55ffeWFrr1ZDlKWTaLR',1796064145261,1796064155495,'{"role":"user","time":{"created":1796064145261},"agent":"code","model":{"providerID":"fake","modelID":"fake-model"},"summary":{"diffs":[]}}');
INSERT INTO "message" VALUES('msg_22dc405f5001FhQ4fANo6rmygh','ses_dd23c8f55ffeWFrr1ZDlKWTaLR',1796064151029,1796064156226,'{"parentID":"msg_22dc3ef6d001Ux1qxRXw1qoOBN","role":"assistant","mode":"code","agent":"code","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.00318,"tokens":{"total":1012,"input":1000,"output":12,"reasoning":0,"cache":{"write":0,"read":0}},"modelID":"fake-model","providerID":"fake","time":{"created":1796064151029,"completed":1796064156223},"finish":"stop"}');
INSERT INTO "message" VALUES('msg_22dc4c44d001qJU4g7wpsm79lq','ses_dd23badbcffeSV702CI1gQWrpL',1796064199757,1796064224403,'{"role":"user","time":{"created":1796064199757},"agent":"code","model":{"providerID":"fake","modelID":"fake-model"},"summary":{"diffs":[{"file":"notes.txt","patch":"diff --git a/notes.txt b/notes.txt\nnew file mode 100644\nindex 0000000..7819bf7\n--- /dev/null\n+++ b/notes.txt\n@@ -0,0 +1,2 @@\n+alpha\n+gamma\n","additions":2,"deletions":0,"status":"added"}]}}');
INSERT INTO "message" VALUES('msg_22dc4df910013N7FIK5aMrO9sF','ses_dd23badbcffeSV702CI1gQWrpL',1796064206737,1796064215359,'{"parentID":"msg_22dc4c44d001qJU4g7wpsm79lq","role":"assistant","mode":"code","agent":"code","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.00546,"tokens":{"total":1760,"input":1500,"output":49,"reasoning":11,"cache":{"write":0,"read":200}},"modelID":"fake-model","providerID":"fake","time":{"created":1796064206737,"completed":1796064215345},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_22dc50157001GkTglbHaaARqG5','ses_dd23badbcffeSV702CI1gQWrpL',1796064215383,1796064221166,'{"parentID":"msg_22dc4c44d001qJU4g7wpsm79lq","role":"assistant","mode":"code","agent":"code","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.00612,"tokens":{"total":2650,"input":1700,"output":50,"reasoning":0,"cache":{"write":0,"read":900}},"modelID":"fake-model","providerID":"fake","time":{"created":1796064215383,"completed":1796064221163},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_22dc517fc001IP6mm2i2514M6x','ses_dd23badbcffeSV702CI1gQWrpL',1796064221180,1796064223712,'{"parentID":"msg_22dc4c44d001qJU4g7wpsm79lq","role":"assistant","mode":"code","agent":"code","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.0066,"tokens":{"total":2940,"input":1900,"output":40,"reasoning":0,"cache":{"write":0,"read":1000}},"modelID":"fake-model","providerID":"fake","time":{"created":1796064221180,"completed":1796064223709},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_22dc5224a001JPnnA7bo5FjJfE','ses_dd23badbcffeSV702CI1gQWrpL',1796064223818,1796064226938,'{"parentID":"msg_22dc4c44d001qJU4g7wpsm79lq","role":"assistant","mode":"code","agent":"code","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.007035,"tokens":{"total":3325,"input":2100,"output":25,"reasoning":0,"cache":{"write":0,"read":1200}},"modelID":"fake-model","providerID":"fake","time":{"created":1796064223818,"completed":1796064226935},"finish":"stop"}');
INSERT INTO "message" VALUES('msg_22dc5dfa7001CyyrMVCno4M3Bo','ses_dd23a88e0ffer5UuZFIxEIp8Io',1796064272308,1796064284098,'{"role":"user","time":{"created":1796064272308},"agent":"code","model":{"providerID":"fake","modelID":"fake-model"},"summary":{"diffs":[]}}');
INSERT INTO "message" VALUES('msg_22dc5efe50017BNdhKGEVfM81m','ses_dd23a88e0ffer5UuZFIxEIp8Io',1796064276453,1796064284041,'{"parentID":"msg_22dc5dfa7001CyyrMVCno4M3Bo","role":"assistant","mode":"code","agent":"code","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.00981,"tokens":{"total":1444,"input":1400,"output":44,"reasoning":0,"cache":{"write":0,"read":0}},"modelID":"fake-model","providerID":"fake","time":{"created":1796064276453,"completed":1796064284037},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_22dc5fd07001ZWMsWDz60kngSd','ses_dd23a04d6ffeU72LFcasgfrMuK',1796064279862,1796064283710,'{"role":"user","time":{"created":1796064279862},"tools":{"question":false,"task":false},"agent":"general","model":{"providerID":"fake","modelID":"fake-model"},"summary":{"diffs":[]}}');
INSERT INTO "message" VALUES('msg_22dc5fdc0001GceBYLKnNvxOZe','ses_dd23a04d6ffeU72LFcasgfrMuK',1796064280000,1796064282686,'{"parentID":"msg_22dc5fd07001ZWMsWDz60kngSd","role":"assistant","mode":"general","agent":"general","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.002415,"tokens":{"total":721,"input":700,"output":21,"reasoning":0,"cache":{"write":0,"read":0}},"modelID":"fake-model","providerID":"fake","time":{"created":1796064280000,"completed":1796064282682},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_22dc60873001OZd4T8pCNh5xkK','ses_dd23a04d6ffeU72LFcasgfrMuK',1796064282740,1796064283558,'{"parentID":"msg_22dc5fd07001ZWMsWDz60kngSd","role":"assistant","mode":"general","agent":"general","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.002535,"tokens":{"total":809,"input":800,"output":9,"reasoning":0,"cache":{"write":0,"read":0}},"modelID":"fake-model","providerID":"fake","time":{"created":1796064282740,"completed":1796064283555},"finish":"stop"}');
INSERT INTO "message" VALUES('msg_22dc60d8f0012uTrytz2t40X7i','ses_dd23a88e0ffer5UuZFIxEIp8Io',1796064284047,1796064285236,'{"parentID":"msg_22dc5dfa7001CyyrMVCno4M3Bo","role":"assistant","mode":"code","agent":"code","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.005625,"tokens":{"total":1815,"input":1800,"output":15,"reasoning":0,"cache":{"write":0,"read":0}},"modelID":"fake-model","providerID":"fake","time":{"created":1796064284047,"completed":1796064285231},"finish":"stop"}');
CREATE TABLE `part` (
          `id` text PRIMARY KEY,
          `message_id` text NOT NULL,
          `session_id` text NOT NULL,
          `time_created` integer NOT NULL,
          `time_updated` integer NOT NULL,
          `data` text NOT NULL
        );
INSERT INTO "part" VALUES('prt_22dc3f01e001cYQTKbOE0BQEKo','msg_22dc3ef6d001Ux1qxRXw1qoOBN','ses_dd23c8f55ffeWFrr1ZDlKWTaLR',1796064145450,1796064145481,'{"type":"text","text":"\"hi play:hello\""}');
INSERT INTO "part" VALUES('prt_22dc416b40010E4amPZSssICY0','msg_22dc405f5001FhQ4fANo6rmygh','ses_dd23c8f55ffeWFrr1ZDlKWTaLR',1796064155316,1796064155318,'{"snapshot":"38b77830b5d8863dbfd22df16fc2c46f97406267","type":"step-start","time":{"start":1796064155316}}');
INSERT INTO "part" VALUES('prt_22dc416ba0017NgnPAcquKWkEj','msg_22dc405f5001FhQ4fANo6rmygh','ses_dd23c8f55ffeWFrr1ZDlKWTaLR',1796064155322,1796064155368,'{"type":"text","text":"Hello from the fake model.","time":{"start":1796064155322,"end":1796064155360}}');
INSERT INTO "part" VALUES('prt_22dc419360012ExlirtSUAENez','msg_22dc405f5001FhQ4fANo6rmygh','ses_dd23c8f55ffeWFrr1ZDlKWTaLR',1796064155958,1796064155973,'{"reason":"stop","snapshot":"38b77830b5d8863dbfd22df16fc2c46f97406267","type":"step-finish","time":{"start":1796064155316,"end":1796064155951,"elapsed":635},"metrics":{"generation":18.89763779527559,"source":"computed"},"tokens":{"total":1012,"input":1000,"output":12,"reasoning":0,"cache":{"write":0,"read":0}},"cost":0.00318}');
INSERT INTO "part" VALUES('prt_22dc4c59c001RPSFyJoHu8grHF','msg_22dc4c44d001qJU4g7wpsm79lq','ses_dd23badbcffeSV702CI1gQWrpL',1796064200140,1796064200169,'{"type":"text","text":"\"work play:tools\""}');
INSERT INTO "part" VALUES('prt_22dc4eb1300140N4dIWWfugy55','msg_22dc4df910013N7FIK5aMrO9sF','ses_dd23badbcffeSV702CI1gQWrpL',1796064209719,1796064209722,'{"snapshot":"38b77830b5d8863dbfd22df16fc2c46f97406267","type":"step-start","time":{"start":1796064209683}}');
INSERT INTO "part" VALUES('prt_22dc4eb6f0014Sp145twzgMxe0','msg_22dc4df910013N7FIK5aMrO9sF','ses_dd23badbcffeSV702CI1gQWrpL',1796064209775,1796064209988,'{"type":"reasoning","text":"First write a file, then list.","time":{"start":1796064209775,"end":1796064209962}}');
INSERT INTO "part" VALUES('prt_22dc4ec610012yrkc0gg3rnqrz','msg_22dc4df910013N7FIK5aMrO9sF','ses_dd23badbcffeSV702CI1gQWrpL',1796064210017,1796064210341,'{"type":"text","text":"I will create a file.","time":{"start":1796064210017,"end":1796064210326}}');
INSERT INTO "part" VALUES('prt_22dc4eca8001lWzoGr1WOz8cJO','msg_22dc4df910013N7FIK5aMrO9sF','ses_dd23badbcffeSV702CI1gQWrpL',1796064210104,1796064211653,'{"type":"tool","tool":"write","callID":"call_1796064209446787921_0","state":{"status":"completed","input":{"filePath":"./notes.txt","content":"alpha\nbeta\n"},"output":"Wrote file successfully.","metadata":{"diagnostics":{},"filepath":"/home/dev/proj/notes.txt","exists":false,"diff":"Index: /home/dev/proj/notes.txt\n===================================================================\n--- /home/dev/proj/notes.txt\n+++ /home/dev/proj/notes.txt\n@@ -0,0 +1,2 @@\n+alpha\n+beta\n","filediff":{"file":"/home/dev/proj/notes.txt","patch":"Index: /home/dev/proj/notes.txt\n===================================================================\n--- /home/dev/proj/notes.txt\n+++ /home/dev/proj/notes.txt\n@@ -0,0 +1,2 @@\n+alpha\n+beta\n","additions":2,"deletions":0},"truncated":false,"approval":{"source":"global","rule":{"permission":"edit","pattern":"*","action":"allow"}}},"title":"notes.txt","time":{"start":1796064210280,"end":1796064211634}}}');
INSERT INTO "part" VALUES('prt_22dc4fc51001tQoHicWuY6KNPh','msg_22dc4df910013N7FIK5aMrO9sF','ses_dd23badbcffeSV702CI1gQWrpL',1796064214097,1796064214124,'{"reason":"tool-calls","snapshot":"5ce6e4814ff4490ae99bff62c0e0706ccf37c499","type":"step-finish","time":{"start":1796064209683,"end":1796064214080,"elapsed":4398},"metrics":{"generation":13.642564802182811,"source":"computed"},"tokens":{"total":1760,"input":1500,"output":49,"reasoning":11,"cache":{"write":0,"read":200}},"cost":0.00546}');
INSERT INTO "part" VALUES('prt_22dc50102001J9Bbbd8Xr8BLKL','msg_22dc4df910013N7FIK5aMrO9sF','ses_dd23badbcffeSV702CI1gQWrpL',1796064215298,1796064215309,'{"type":"patch","hash":"38b77830b5d8863dbfd22df16fc2c46f97406267","files":["/home/dev/proj/notes.txt"]}');
INSERT INTO "part" VALUES('prt_22dc508ee001FBmy4usgGjxUCu','msg_22dc50157001GkTglbHaaARqG5','ses_dd23badbcffeSV702CI1gQWrpL',1796064217329,1796064217349,'{"snapshot":"5ce6e4814ff4490ae99bff62c0e0706ccf37c499","type":"step-start","time":{"start":1796064217326}}');
INSERT INTO "part" VALUES('prt_22dc5090e001L60laELts10trB','msg_22dc50157001GkTglbHaaARqG5','ses_dd23badbcffeSV702CI1gQWrpL',1796064217358,1796064219196,'{"type":"tool","tool":"bash","callID":"call_1796064217212590806_0","state":{"status":"completed","input":{"command":"ls -1 && echo done","description":"List files"},"output":"README.md\nnotes.txt\ndone\n","metadata":{"output":"README.md\nnotes.txt\ndone\n","exit":0,"description":"List files","truncated":false,"approval":{"source":"global","rule":{"permission":"bash","pattern":"*","action":"allow"}}},"title":"List files","time":{"start":1796064217404,"end":1796064219084}}}');
INSERT INTO "part" VALUES('prt_22dc50942001CrncpW50SYlvsn','msg_22dc50157001GkTglbHaaARqG5','ses_dd23badbcffeSV702CI1gQWrpL',1796064217410,1796064218689,'{"type":"tool","tool":"read","callID":"call_1796064217212600677_1","state":{"status":"completed","input":{"filePath":"./notes.txt"},"output":"<path>/home/dev/proj/notes.txt</path>\n<type>file</type>\n<content>\n1: alpha\n2: beta\n\n(End of file - total 2 lines)\n</content>","metadata":{"preview":"alpha\nbeta","truncated":false,"loaded":[],"display":{"type":"file","path":"/home/dev/proj/notes.txt","text":"alpha\nbeta","lineStart":1,"lineEnd":2,"totalLines":2,"truncated":false},"approval":{"source":"agent","agent":"code","rule":{"permission":"read","pattern":"*","action":"allow"}}},"title":"notes.txt","time":{"start":1796064217475,"end":1796064218657}}}');
INSERT INTO "part" VALUES('prt_22dc514eb001PN2y8D2ZF6t0o0','msg_22dc50157001GkTglbHaaARqG5','ses_dd23badbcffeSV702CI1gQWrpL',1796064220408,1796064220419,'{"reason":"tool-calls","snapshot":"5ce6e4814ff4490ae99bff62c0e0706ccf37c499","type":"step-finish","time":{"start":1796064217326,"end":1796064220394,"elapsed":3068},"metrics":{"generation":16.297262059973924,"source":"computed"},"tokens":{"total":2650,"input":1700,"output":50,"reasoning":0,"cache":{"write":0,"read":900}},"cost":0.00612}');
INSERT INTO "part" VALUES('prt_22dc51b9f001T4ErpaMFQrObs2','msg_22dc517fc001IP6mm2i2514M6x','ses_dd23badbcffeSV702CI1gQWrpL',1796064222116,1796064222118,'{"snapshot":"5ce6e4814ff4490ae99bff62c0e0706ccf37c499","type":"step-start","time":{"start":1796064222111}}');
INSERT INTO "part" VALUES('prt_22dc51bb8001IO64SzLM3jjjy0','msg_22dc517fc001IP6mm2i2514M6x','ses_dd23badbcffeSV702CI1gQWrpL',1796064222137,1796064222368,'{"type":"tool","tool":"edit","callID":"call_1796064222058175590_0","state":{"status":"completed","input":{"filePath":"./notes.txt","oldString":"beta","newString":"gamma"},"output":"Edit applied successfully.","metadata":{"diagnostics":{},"diff":"Index: /home/dev/proj/notes.txt\n===================================================================\n--- /home/dev/proj/notes.txt\n+++ /home/dev/proj/notes.txt\n@@ -1,2 +1,2 @@\n alpha\n-beta\n+gamma\n","filediff":{"file":"/home/dev/proj/notes.txt","patch":"Index: /home/dev/proj/notes.txt\n===================================================================\n--- /home/dev/proj/notes.txt\n+++ /home/dev/proj/notes.txt\n@@ -1,2 +1,2 @@\n alpha\n-beta\n+gamma\n","additions":1,"deletions":1},"truncated":false,"approval":{"source":"global","rule":{"permission":"edit","pattern":"*","action":"allow"}}},"title":"notes.txt","time":{"start":1796064222203,"end":1796064222362}}}');
INSERT INTO "part" VALUES('prt_22dc5208e001rD41jQd2VUcGbk','msg_22dc517fc001IP6mm2i2514M6x','ses_dd23badbcffeSV702CI1gQWrpL',1796064223375,1796064223381,'{"reason":"tool-calls","snapshot":"443c19646f2892b1e258bae380b605d532807d0b","type":"step-finish","time":{"start":1796064222111,"end":1796064223372,"elapsed":1262},"metrics":{"generation":31.695721077654518,"source":"computed"},"tokens":{"total":2940,"input":1900,"output":40,"reasoning":0,"cache":{"write":0,"read":1000}},"cost":0.0066}');
INSERT INTO "part" VALUES('prt_22dc521d5001MXnEkKIkObZATO','msg_22dc517fc001IP6mm2i2514M6x','ses_dd23badbcffeSV702CI1gQWrpL',1796064223702,1796064223704,'{"type":"patch","hash":"5ce6e4814ff4490ae99bff62c0e0706ccf37c499","files":["/home/dev/proj/notes.txt"]}');
INSERT INTO "part" VALUES('prt_22dc5291e001BcKnlg354WeVpI','msg_22dc5224a001JPnnA7bo5FjJfE','ses_dd23badbcffeSV702CI1gQWrpL',1796064225566,1796064225585,'{"snapshot":"443c19646f2892b1e258bae380b605d532807d0b","type":"step-start","time":{"start":1796064225566}}');
INSERT INTO "part" VALUES('prt_22dc5293d001025jNkxBCJeSPD','msg_22dc5224a001JPnnA7bo5FjJfE','ses_dd23badbcffeSV702CI1gQWrpL',1796064225597,1796064225647,'{"type":"text","text":"Done: notes.txt now holds alpha and gamma.","time":{"start":1796064225597,"end":1796064225645}}');
INSERT INTO "part" VALUES('prt_22dc52bc3001Dpmn8eeZzFNoVf','msg_22dc5224a001JPnnA7bo5FjJfE','ses_dd23badbcffeSV702CI1gQWrpL',1796064226252,1796064226254,'{"reason":"stop","snapshot":"443c19646f2892b1e258bae380b605d532807d0b","type":"step-finish","time":{"start":1796064225566,"end":1796064226241,"elapsed":675},"metrics":{"generation":37.03703703703704,"source":"computed"},"tokens":{"total":3325,"input":2100,"output":25,"reasoning":0,"cache":{"write":0,"read":1200}},"cost":0.007035}');
INSERT INTO "part" VALUES('prt_22dc5e185001bicxcQ9p4p3ySE','msg_22dc5dfa7001CyyrMVCno4M3Bo','ses_dd23a88e0ffer5UuZFIxEIp8Io',1796064272818,1796064272832,'{"type":"text","text":"\"split play:task\""}');
INSERT INTO "part" VALUES('prt_22dc5f870001CcV7zAJpUXZDB0','msg_22dc5efe50017BNdhKGEVfM81m','ses_dd23a88e0ffer5UuZFIxEIp8Io',1796064278641,1796064278650,'{"snapshot":"443c19646f2892b1e258bae380b605d532807d0b","type":"step-start","time":{"start":1796064278640}}');
INSERT INTO "part" VALUES('prt_22dc5f8910013xwWj7jajye13u','msg_22dc5efe50017BNdhKGEVfM81m','ses_dd23a88e0ffer5UuZFIxEIp8Io',1796064278673,1796064278918,'{"type":"text","text":"I will ask a subagent.","time":{"start":1796064278673,"end":1796064278902}}');
INSERT INTO "part" VALUES('prt_22dc5f8d0001HTgggOn5b7Yy7D','msg_22dc5efe50017BNdhKGEVfM81m','ses_dd23a88e0ffer5UuZFIxEIp8Io',1796064278737,1796064283608,'{"type":"tool","tool":"task","callID":"call_1796064278526427682_0","state":{"status":"completed","input":{"description":"Count the files","prompt":"Count the files here. play:sub","subagent_type":"general"},"output":"<task id=\"ses_dd23a04d6ffeU72LFcasgfrMuK\" state=\"completed\">\n<task_result>\nThere are a few files.\n</task_result>\n</task>","metadata":{"parentSessionId":"ses_dd23a88e0ffer5UuZFIxEIp8Io","sessionId":"ses_dd23a04d6ffeU72LFcasgfrMuK","model":{"modelID":"fake-model","providerID":"fake"},"truncated":false,"approval":{"source":"agent","agent":"code","rule":{"permission":"*","pattern":"*","action":"allow"}}},"title":"Count the files","time":{"start":1796064278858,"end":1796064283607}}}');
INSERT INTO "part" VALUES('prt_22dc5fd5d0010dtPUb7Oh6eN8t','msg_22dc5fd07001ZWMsWDz60kngSd','ses_dd23a04d6ffeU72LFcasgfrMuK',1796064279906,1796064279908,'{"type":"text","text":"Count the files here. play:sub"}');
INSERT INTO "part" VALUES('prt_22dc6009d0018GtTssyb2RSq7m','msg_22dc5fdc0001GceBYLKnNvxOZe','ses_dd23a04d6ffeU72LFcasgfrMuK',1796064280734,1796064280740,'{"snapshot":"443c19646f2892b1e258bae380b605d532807d0b","type":"step-start","time":{"start":1796064280733}}');
INSERT INTO "part" VALUES('prt_22dc600a700111PeTFirGlZsMg','msg_22dc5fdc0001GceBYLKnNvxOZe','ses_dd23a04d6ffeU72LFcasgfrMuK',1796064280743,1796064282108,'{"type":"tool","tool":"bash","callID":"call_1796064280719140022_0","state":{"status":"completed","input":{"command":"ls | wc -l","description":"Count files"},"output":"2\n","metadata":{"output":"2\n","exit":0,"description":"Count files","truncated":false,"approval":{"source":"global","rule":{"permission":"bash","pattern":"*","action":"allow"}}},"title":"Count files","time":{"start":1796064280873,"end":1796064282088}}}');
INSERT INTO "part" VALUES('prt_22dc607a6001oWQKT9k0tUsDSm','msg_22dc5fdc0001GceBYLKnNvxOZe','ses_dd23a04d6ffeU72LFcasgfrMuK',1796064282535,1796064282540,'{"reason":"tool-calls","snapshot":"443c19646f2892b1e258bae380b605d532807d0b","type":"step-finish","time":{"start":1796064280733,"end":1796064282531,"elapsed":1798},"metrics":{"generation":11.67964404894327,"source":"computed"},"tokens":{"total":721,"input":700,"output":21,"reasoning":0,"cache":{"write":0,"read":0}},"cost":0.002415}');
INSERT INTO "part" VALUES('prt_22dc609a1001kV6LYTUpWP8h3d','msg_22dc60873001OZd4T8pCNh5xkK','ses_dd23a04d6ffeU72LFcasgfrMuK',1796064283042,1796064283068,'{"snapshot":"443c19646f2892b1e258bae380b605d532807d0b","type":"step-start","time":{"start":1796064283041}}');
INSERT INTO "part" VALUES('prt_22dc609c8001bDrBvKKefxqWu6','msg_22dc60873001OZd4T8pCNh5xkK','ses_dd23a04d6ffeU72LFcasgfrMuK',1796064283081,1796064283108,'{"type":"text","text":"There are a few files.","time":{"start":1796064283080,"end":1796064283097}}');
INSERT INTO "part" VALUES('prt_22dc60b170016m1ArHMeI6RAeX','msg_22dc60873001OZd4T8pCNh5xkK','ses_dd23a04d6ffeU72LFcasgfrMuK',1796064283416,1796064283418,'{"reason":"stop","snapshot":"443c19646f2892b1e258bae380b605d532807d0b","type":"step-finish","time":{"start":1796064283041,"end":1796064283413,"elapsed":372},"metrics":{"generation":24.193548387096776,"source":"computed"},"tokens":{"total":809,"input":800,"output":9,"reasoning":0,"cache":{"write":0,"read":0}},"cost":0.002535}');
INSERT INTO "part" VALUES('prt_22dc60cde001gyRi0RE6VpmqnV','msg_22dc5efe50017BNdhKGEVfM81m','ses_dd23a88e0ffer5UuZFIxEIp8Io',1796064283871,1796064283873,'{"reason":"tool-calls","snapshot":"443c19646f2892b1e258bae380b605d532807d0b","type":"step-finish","time":{"start":1796064278640,"end":1796064283868,"elapsed":5227},"metrics":{"generation":8.417830495504113,"source":"computed"},"tokens":{"total":1444,"input":1400,"output":44,"reasoning":0,"cache":{"write":0,"read":0}},"cost":0.00486}');
INSERT INTO "part" VALUES('prt_22dc60f6d0019V2s9S14zSeSzH','msg_22dc60d8f0012uTrytz2t40X7i','ses_dd23a88e0ffer5UuZFIxEIp8Io',1796064284526,1796064284529,'{"snapshot":"443c19646f2892b1e258bae380b605d532807d0b","type":"step-start","time":{"start":1796064284525}}');
INSERT INTO "part" VALUES('prt_22dc60f74001zJACOWzyO2JlSM','msg_22dc60d8f0012uTrytz2t40X7i','ses_dd23a88e0ffer5UuZFIxEIp8Io',1796064284532,1796064284543,'{"type":"text","text":"The subagent answered.","time":{"start":1796064284532,"end":1796064284541}}');
INSERT INTO "part" VALUES('prt_22dc6112e001N0xuTEaxYXWwNU','msg_22dc60d8f0012uTrytz2t40X7i','ses_dd23a88e0ffer5UuZFIxEIp8Io',1796064284975,1796064284984,'{"reason":"stop","snapshot":"443c19646f2892b1e258bae380b605d532807d0b","type":"step-finish","time":{"start":1796064284525,"end":1796064284972,"elapsed":447},"metrics":{"generation":33.557046979865774,"source":"computed"},"tokens":{"total":1815,"input":1800,"output":15,"reasoning":0,"cache":{"write":0,"read":0}},"cost":0.005625}');
CREATE TABLE `event_sequence` (
          `aggregate_id` text PRIMARY KEY,
          `seq` integer NOT NULL,
          `owner_id` text
        );
INSERT INTO "event_sequence" VALUES('ses_dd23c8f55ffeWFrr1ZDlKWTaLR',29,NULL);
INSERT INTO "event_sequence" VALUES('ses_dd23badbcffeSV702CI1gQWrpL',98,NULL);
INSERT INTO "event_sequence" VALUES('ses_dd23a88e0ffer5UuZFIxEIp8Io',36,NULL);
INSERT INTO "event_sequence" VALUES('ses_dd23a04d6ffeU72LFcasgfrMuK',30,NULL);
CREATE TABLE `project` (
          `id` text PRIMARY KEY,
          `worktree` text NOT NULL,
          `vcs` text,
          `name` text,
          `icon_url` text,
          `icon_url_override` text,
          `icon_color` text,
          `time_created` integer NOT NULL,
          `time_updated` integer NOT NULL,
          `time_initialized` integer,
          `sandboxes` text NOT NULL,
          `commands` text
        );
INSERT INTO "project" VALUES('71d9f881ed9f014f16b81e6c1f0693385511b42f','/home/dev/proj','git',NULL,NULL,NULL,NULL,1796064108106,1796064241387,NULL,'[]',NULL);
CREATE TABLE `session_message` (
          `id` text PRIMARY KEY,
          `session_id` text NOT NULL,
          `type` text NOT NULL,
          `seq` integer,
          `time_created` integer NOT NULL,
          `time_updated` integer NOT NULL,
          `data` text NOT NULL
        );
COMMIT;
